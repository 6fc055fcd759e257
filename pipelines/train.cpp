// The training loop: one base, one batch a micro-step, each adapter's forward and backward after
// the other. Everything a step draws is a function of (seed, stream, step, index).
#include "pipelines/train.h"

#include <ATen/ATen.h>

#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "pipelines/base_loading.h"
#include "pipelines/denoising_loss.h"
#include "pipelines/process_memory.h"
#include "pipelines/training_previews.h"
#include "pipelines/training_run.h"
#include "src/adapter/adapter_file.h"
#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/device/adapter_core_choice.h"
#include "src/optimizer/lr_schedule.h"
#include "src/report/metrics_file.h"
#include "src/report/tensorboard.h"

namespace dorabooth {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

using Trainers = std::vector<std::unique_ptr<AdapterTrainer>>;

ModelOptions model_options_of(const TrainConfig& config) {
  ModelOptions options = config;
  options.dtype = config.mixed_precision == "no" ? "fp32" : config.mixed_precision;
  return options;
}

TrainerOptions trainer_options_of(const TrainConfig& config) {
  TrainerOptions options;
  options.optimizer = config.optimizer;
  options.learning_rate = config.learning_rate;
  options.text_encoder_lr = config.text_encoder_lr;
  options.weight_decay = config.adam_weight_decay;
  options.weight_decay_text_encoder = config.adam_weight_decay_text_encoder;
  options.beta1 = config.adam_beta1;
  options.beta2 = config.adam_beta2;
  options.epsilon = config.adam_epsilon;
  options.max_grad_norm = config.max_grad_norm;
  options.prodigy_use_bias_correction = config.prodigy_use_bias_correction;
  options.prodigy_safeguard_warmup = config.prodigy_safeguard_warmup;
  return options;
}

// Whether the loss ran away: over ten times its start for 20 steps in a row.
class DivergenceWatch {
 public:
  bool add(double loss) {
    if (steps_ < kStartSteps) {
      start_ = std::max(start_, loss);
      ++steps_;
      return false;
    }
    run_ = loss > 10 * start_ ? run_ + 1 : 0;
    return run_ == 20;
  }

 private:
  static constexpr int kStartSteps = 5;
  int steps_ = 0;
  int run_ = 0;
  double start_ = 0.0;
};

class Run {
 public:
  Run(const TrainConfig& config, Progress& progress, std::stop_token stop)
      : config_(config), progress_(progress), log_(log_to(progress)), stop_(std::move(stop)) {}

  TrainReport run();

 private:
  bool prepare();
  std::optional<ExampleSet> encode(const ImageFolder& folder, const std::string& stream);
  void make_trainers();
  void cache_text();
  PromptEmbeds embeds_for(const TrainingBatch& batch) const;
  double lr_factor(int64_t step) const;
  void train_step(int64_t step);
  void report_step(int64_t step, double seconds);
  void save_final();
  void checkpoint(int64_t step);
  std::map<std::string, std::string> metadata(int64_t step) const;

  const TrainConfig& config_;
  Progress& progress_;
  Log log_;
  std::stop_token stop_;

  SdxlBundle bundle_;
  std::optional<Ddpm> schedule_;
  ObjectiveConfig objective_;
  std::optional<BatchSource> batches_;
  Trainers trainers_;
  int64_t max_steps_ = 0;
  // Embeddings of every caption, by row; empty while text encoders train.
  std::map<std::string, int64_t> caption_rows_;
  PromptEmbeds cached_text_;

  std::optional<MetricsFile> metrics_;
  std::optional<TensorboardFile> tensorboard_;
  std::vector<double> losses_;      // of this step, one a trainer
  std::vector<double> grad_norms_;  // the same
  std::vector<DivergenceWatch> watches_;
  std::chrono::steady_clock::time_point started_;
  int64_t first_step_ = 0;
  TrainReport report_;
};

std::optional<ExampleSet> Run::encode(const ImageFolder& folder, const std::string& stream) {
  for (const std::string& note : folder.notes) log_.info(note);
  ExampleRequest request;
  request.pictures = folder.pictures;
  if (config_.max_train_samples && stream == "instance" &&
      static_cast<int64_t>(request.pictures.size()) > *config_.max_train_samples) {
    request.pictures.resize(static_cast<size_t>(*config_.max_train_samples));
  }
  verify_pictures(request.pictures, stop_);
  const auto side = static_cast<int>(config_.resolution);
  request.target = {side, side};
  request.center_crop = config_.center_crop;
  request.random_flip = config_.random_flip;
  request.repeats = stream == "instance" ? config_.repeats : 1;
  request.seed = static_cast<uint64_t>(config_.seed);
  request.stream = stream;
  const auto total = static_cast<int64_t>(request.pictures.size()) * request.repeats;
  progress_.on(StartedEvent{"encode " + stream + " pictures", total});
  ExampleSet set = encode_examples(
      request, *bundle_.vae,
      [&](int64_t done) {
        progress_.on(StepEvent{done, total, {}, 0, 0});
      },
      stop_);
  if (set.size() == 0) return std::nullopt;
  return set;
}

// False if it was asked to stop.
bool Run::prepare() {
  check_train_config(config_);
  const ImageFolder instance = read_image_folder(
      {config_.instance_data_dir, config_.caption_column, config_.instance_prompt});
  bundle_ = load_base(model_options_of(config_), log_);
  bundle_.unet->set_gradient_checkpointing(config_.gradient_checkpointing);
  schedule_.emplace(config_for_class(bundle_.scheduler, "DDPMScheduler"));
  objective_.prediction_type = config_.prediction_type.value_or(bundle_.scheduler.prediction_type);
  objective_.snr_gamma = config_.snr_gamma;
  objective_.prior_loss_weight = config_.prior_loss_weight;

  auto instance_set = encode(instance, "instance");
  if (!instance_set) return false;
  std::optional<ExampleSet> class_set;
  if (config_.with_prior_preservation) {
    make_class_pictures(config_, bundle_, progress_, stop_);
    if (stop_.stop_requested()) return false;
    class_set = encode(
        read_image_folder({*config_.class_data_dir, config_.caption_column, config_.class_prompt}),
        "class");
    if (!class_set) return false;
  }
  batches_.emplace(std::move(*instance_set), std::move(class_set),
                   static_cast<uint64_t>(config_.seed), config_.train_batch_size,
                   bundle_.vae->config().scaling_factor, schedule_->num_train_timesteps());
  const int64_t micro_steps =
      (batches_->epoch_size() + config_.train_batch_size - 1) / config_.train_batch_size;
  const int64_t steps_per_epoch =
      (micro_steps + config_.gradient_accumulation_steps - 1) / config_.gradient_accumulation_steps;
  max_steps_ = config_.max_train_steps.value_or(config_.num_train_epochs * steps_per_epoch);
  make_trainers();
  cache_text();
  return true;
}

void Run::make_trainers() {
  const AdapterCore& core = adapter_core(bundle_.device);
  const LinearLayers layers = bundle_.linear_layers();
  for (NamedSpec& named : adapter_specs(config_)) {
    AdapterSet set =
        AdapterSet::create(named.spec, layers, static_cast<uint64_t>(config_.seed), core);
    trainers_.push_back(
        std::make_unique<AdapterTrainer>(named.name, std::move(set), trainer_options_of(config_)));
    int64_t count = 0;
    for (const AdapterParameter& parameter : trainers_.back()->set().parameters()) {
      count += parameter.value.numel();
    }
    log_.info(concat(named.name, ": ", trainers_.back()->set().size(), " modules, ", count,
                     " trainable parameters"));
  }
  watches_.resize(trainers_.size());
}

void Run::cache_text() {
  const std::vector<std::string> captions = batches_->captions();
  for (size_t i = 0; i < captions.size(); ++i) caption_rows_[captions[i]] = static_cast<int64_t>(i);
  if (config_.train_text_encoder) return;
  at::NoGradGuard no_grad;
  cached_text_ = encode_prompts(bundle_, captions, LongPrompts::kCut, log_);
}

PromptEmbeds Run::embeds_for(const TrainingBatch& batch) const {
  if (config_.train_text_encoder) {
    return encode_tokens(bundle_,
                         tokenize_prompts(bundle_, batch.captions, LongPrompts::kCut, Log()));
  }
  std::vector<int64_t> rows;
  for (const std::string& caption : batch.captions) rows.push_back(caption_rows_.at(caption));
  const at::Tensor index = at::tensor(rows).to(bundle_.device);
  return {cached_text_.prompt_embeds.index_select(0, index),
          cached_text_.pooled.index_select(0, index)};
}

double Run::lr_factor(int64_t step) const {
  LrSchedule schedule;
  schedule.name = config_.lr_scheduler;
  schedule.warmup_steps = config_.lr_warmup_steps;
  schedule.total_steps = max_steps_;
  schedule.num_cycles = static_cast<double>(config_.lr_num_cycles);
  schedule.power = config_.lr_power;
  return schedule.factor(step, config_.learning_rate);
}

void Run::train_step(int64_t step) {
  losses_.assign(trainers_.size(), 0.0);
  grad_norms_.assign(trainers_.size(), 0.0);
  const int64_t accumulation = config_.gradient_accumulation_steps;
  for (int64_t micro = 0; micro < accumulation; ++micro) {
    const int64_t micro_step = step * accumulation + micro;
    const TrainingBatch batch = batches_->batch(micro_step);
    for (size_t i = 0; i < trainers_.size(); ++i) {
      AdapterTrainer& trainer = *trainers_[i];
      trainer.set().set_training(true, static_cast<uint64_t>(micro_step), 0);
      const AttachScope scope = trainer.set().attach();
      const at::Tensor loss =
          denoising_loss(*bundle_.unet, *schedule_, batch, embeds_for(batch), objective_);
      const double value = loss.item<double>();
      if (!std::isfinite(value)) {
        fail("the loss of ", trainer.name(), " is ", value, " in step ", step + 1,
             ": the run ends; ",
             report_.checkpoint.empty() ? std::string("no checkpoint was written yet")
                                        : report_.checkpoint + " is kept");
      }
      losses_[i] += value / static_cast<double>(accumulation);
      trainer.accumulate(loss, 1.0 / static_cast<double>(accumulation));
    }
  }
  for (size_t i = 0; i < trainers_.size(); ++i) {
    grad_norms_[i] = trainers_[i]->step(lr_factor(step));
  }
}

void Run::report_step(int64_t step, double seconds) {
  const int64_t done = step + 1;
  const double lr = config_.learning_rate * lr_factor(step);
  json line = {{"step", done}, {"lr", lr}, {"seconds", seconds}};
  std::vector<std::pair<std::string, double>> values;
  for (size_t i = 0; i < trainers_.size(); ++i) {
    const std::string& name = trainers_[i]->name();
    line["loss"][name] = losses_[i];
    line["grad_norm"][name] = grad_norms_[i];
    values.emplace_back("loss/" + name, losses_[i]);
    values.emplace_back("grad_norm/" + name, grad_norms_[i]);
    if (watches_[i].add(losses_[i])) {
      report_.diverged = true;
      log_.warning(concat("the loss of ", name,
                          " has been over ten times its start for 20 steps (now ", losses_[i],
                          " in step ", done, "): the learning rate ", config_.learning_rate,
                          " is too high for this run"));
    }
  }
  const auto pictures =
      static_cast<double>(config_.train_batch_size * config_.gradient_accumulation_steps);
  line["images_per_second"] = pictures / seconds;
  line["peak_memory_mb"] = peak_memory_mb();
  metrics_->append(line);
  values.emplace_back("lr", lr);
  values.emplace_back("images_per_second", pictures / seconds);
  if (tensorboard_) {
    for (const auto& [tag, value] : values)
      tensorboard_->scalar(done, tag, static_cast<float>(value));
  }
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - started_;
  const double mean = elapsed.count() / static_cast<double>(done - first_step_);
  progress_.on(
      StepEvent{done, max_steps_, values, mean, mean * static_cast<double>(max_steps_ - done)});
}

std::map<std::string, std::string> Run::metadata(int64_t step) const {
  std::map<std::string, std::string> values = {
      {"modelspec.resolution", concat(config_.resolution, "x", config_.resolution)},
      {"ss_steps", std::to_string(step)},
      {"ss_seed", std::to_string(config_.seed)},
      {"ss_sd_model_name", fs::path(config_.pretrained_model_name_or_path).filename().string()}};
  if (config_.instance_prompt) values["modelspec.trigger_phrase"] = *config_.instance_prompt;
  return values;
}

void Run::checkpoint(int64_t step) {
  metrics_->sync();
  report_.checkpoint = write_checkpoint(config_, step, trainers_, metadata(step)).string();
  progress_.on(SavedEvent{report_.checkpoint});
}

void Run::save_final() {
  for (size_t i = 0; i < trainers_.size(); ++i) {
    const fs::path path = adapter_folder(config_.output_dir, trainers_, *trainers_[i]) /
                          "pytorch_lora_weights.safetensors";
    write_diffusers_adapter(path, trainers_[i]->set(), metadata(report_.steps));
    report_.adapters.push_back(
        {trainers_[i]->name(), path.string(), losses_.empty() ? 0.0 : losses_[i]});
    progress_.on(SavedEvent{path.string()});
  }
}

TrainReport Run::run() {
  if (!prepare()) {
    report_.stopped = true;
    return report_;
  }
  const fs::path output = config_.output_dir;
  fs::create_directories(output);
  const int64_t checkpoints = std::min(max_steps_ / config_.checkpointing_steps + 1,
                                       config_.checkpoints_total_limit.value_or(max_steps_) + 1);
  require_disk_space(output, checkpoint_bytes(trainers_) * static_cast<uint64_t>(checkpoints + 1),
                     concat(checkpoints, " checkpoints of this run"));
  first_step_ = resume(config_, trainers_, log_);
  write_run_json(config_);
  metrics_.emplace(output / "metrics.jsonl", first_step_);
  if (config_.report_to) tensorboard_.emplace(output / "logs", first_step_);

  progress_.on(StartedEvent{"train", max_steps_});
  started_ = std::chrono::steady_clock::now();
  report_.steps = first_step_;
  for (int64_t step = first_step_; step < max_steps_; ++step) {
    if (stop_.stop_requested()) {
      report_.stopped = true;
      if (step > first_step_) checkpoint(step);
      log_.info(concat("stopped after step ", step, " of ", max_steps_,
                       "; go on with --resume_from_checkpoint latest"));
      return report_;
    }
    const auto begin = std::chrono::steady_clock::now();
    train_step(step);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    report_.steps = step + 1;
    report_step(step, seconds.count());
    const bool last = step + 1 == max_steps_;
    if (config_.validation_prompt && ((step + 1) % config_.validation_steps == 0 || last)) {
      draw_previews(config_, bundle_, trainers_, step + 1, progress_, stop_);
    }
    if ((step + 1) % config_.checkpointing_steps == 0 && !last) checkpoint(step + 1);
  }
  checkpoint(report_.steps);
  save_final();
  return report_;
}

}  // namespace

TrainReport train(const TrainConfig& config, Progress& progress, std::stop_token stop) {
  return Run(config, progress, std::move(stop)).run();
}

}  // namespace dorabooth
