// The training loop: one base, one batch a micro-step, each adapter's forward and backward after
// the other. Everything a step draws is a function of (seed, stream, step, index).
#include "pipelines/train.h"

#include <ATen/ATen.h>

#include <chrono>
#include <cmath>
#include <map>
#include <set>

#include "pipelines/parts/adapter_meter.h"
#include "pipelines/parts/base_loading.h"
#include "pipelines/parts/batch_loss.h"
#include "pipelines/parts/init_adapter.h"
#include "pipelines/parts/trainer_options.h"
#include "pipelines/parts/training_examples.h"
#include "pipelines/parts/training_pictures.h"
#include "pipelines/parts/training_previews.h"
#include "pipelines/parts/training_report.h"
#include "pipelines/parts/training_run.h"
#include "pipelines/parts/training_text.h"
#include "pipelines/parts/training_validation.h"
#include "src/adapter/adapter_file.h"
#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/device/adapter_core_choice.h"

namespace dorabooth {

namespace fs = std::filesystem;
namespace {

constexpr int64_t kValidationTimesteps = 8;  // of every held-out picture

class Run {
 public:
  Run(const TrainConfig& config, Progress& progress, std::stop_token stop)
      : config_(config), progress_(progress), log_(log_to(progress)), stop_(std::move(stop)) {}

  TrainReport run();

 private:
  bool prepare();
  void check_pictures(ImageFolder& folder);
  std::optional<ExampleSet> encode(const ImageFolder& folder, const std::string& stream);
  bool open_batches(const ImageFolder& instance, const ImageFolder& of_class);
  void set_steps(int64_t micro_steps);
  bool open_validation(const ImageFolder& held_out);
  bool is_validation_due(int64_t done) const;
  std::map<std::string, double> held_out_losses(int64_t done);
  void make_trainers();
  void open_output();
  double untrained_loss() const;
  void micro_step(AdapterTrainer& trainer, size_t index, const TrainingBatch& batch,
                  const at::Tensor& prior_target, int64_t step, int64_t number);
  void train_step(int64_t step);
  void check_gradient(const AdapterTrainer& trainer, double norm, int64_t step) const;
  [[noreturn]] void fail_not_finite(const std::string& what, double value, int64_t step) const;
  void report_step(int64_t step, double seconds);
  void save_final();
  void checkpoint(int64_t step);
  TrainReport stopped(int64_t step);
  TrainReport run_steps();
  std::map<std::string, std::string> metadata() const;

  const TrainConfig& config_;
  Progress& progress_;
  Log log_;
  std::stop_token stop_;

  SdxlBundle bundle_;
  std::optional<Ddpm> schedule_;
  ObjectiveConfig objective_;
  std::optional<BatchSource> batches_;
  std::optional<TrainingText> text_;
  std::optional<BatchLoss> batch_loss_;
  std::optional<TrainingValidation> validation_;
  Trainers trainers_;
  std::set<const AdapterTrainer*> train_text_;  // those with adapters on a text encoder
  LrSchedule lr_;
  RunFacts facts_;
  std::optional<ResumePoint> resume_;
  int64_t max_steps_ = 0;
  int64_t validation_interval_ = 0;  // steps
  int64_t first_step_ = 0;

  std::optional<TrainingReport> reports_;
  std::vector<double> losses_;      // of this step, one a trainer
  std::vector<double> grad_norms_;  // the same
  int64_t checkpoint_step_ = -1;    // of report_.checkpoint
  TrainReport report_;
};

// Decodes them once before anything else takes time.
void Run::check_pictures(ImageFolder& folder) {
  for (std::string& note : verify_pictures(folder.pictures, stop_))
    folder.notes.push_back(std::move(note));
}

std::optional<ExampleSet> Run::encode(const ImageFolder& folder, const std::string& stream) {
  return encode_pictures(config_, bundle_, folder, stream, progress_, stop_);
}

void Run::set_steps(int64_t micro_steps) {
  const int64_t accumulation = config_.gradient_accumulation_steps;
  const int64_t epoch_steps = (micro_steps + accumulation - 1) / accumulation;
  max_steps_ = config_.max_train_steps.value_or(config_.num_train_epochs * epoch_steps);
  validation_interval_ = validation_interval(config_, epoch_steps);
  facts_.total_steps = max_steps_;
  facts_.adapter_metadata = metadata();
  lr_ = lr_schedule_of(config_, max_steps_);
}

void Run::open_output() {
  const fs::path output = config_.output_dir;
  std::error_code error;
  fs::create_directories(output, error);
  if (error) fail("cannot create ", output.string(), ": ", error.message());
  remove_unfinished_checkpoints(output);
}

// False if it was asked to stop. What can be wrong is found in the order of how long it takes.
bool Run::prepare() {
  open_device(config_.device);
  check_train_config(config_);
  ImageFolder instance = instance_pictures(config_);
  check_pictures(instance);
  if (stop_.stop_requested()) return false;
  ImageFolder held_out;
  if (config_.validation_split > 0) held_out = hold_out_pictures(config_, instance);
  set_steps(batches_per_epoch(example_request(config_, 0, "instance", instance.pictures),
                              config_.train_batch_size));
  open_output();
  resume_ = find_resume_point(config_, log_);
  make_class_pictures_apart(config_, progress_, stop_);
  if (stop_.stop_requested()) return false;
  bundle_ = load_base(model_options_of(config_), log_);
  bundle_.unet->set_gradient_checkpointing(config_.gradient_checkpointing);
  if (config_.rescale_betas_zero_snr) {
    bundle_.scheduler.rescale_betas_zero_snr = true;
    bundle_.scheduler.given.push_back("rescale_betas_zero_snr");
  }
  schedule_.emplace(config_for_class(bundle_.scheduler, "DDPMScheduler"));
  objective_ = objective_of(config_, bundle_.scheduler.prediction_type);
  make_trainers();

  ImageFolder of_class;
  if (config_.with_prior_preservation && config_.prior_preservation_source == "pictures") {
    make_class_pictures(config_, bundle_, progress_, stop_);
    if (stop_.stop_requested()) return false;
    of_class = class_pictures(config_);
    check_pictures(of_class);
  }
  if (stop_.stop_requested()) return false;
  facts_.pictures = digest_of(instance.pictures) + digest_of(of_class.pictures);
  if (!held_out.pictures.empty()) facts_.pictures += digest_of(held_out.pictures);
  if (resume_) {
    load_checkpoint(*resume_, config_, facts_, trainers_, log_);
    first_step_ = resume_->step;
    report_.checkpoint = resume_->folder.string();
  }
  warn_of_later_checkpoints(config_.output_dir, first_step_, log_);

  if (!open_batches(instance, of_class)) return false;
  if (!held_out.pictures.empty() && !open_validation(held_out)) return false;
  return true;
}

bool Run::open_batches(const ImageFolder& instance, const ImageFolder& of_class) {
  auto instance_set = encode(instance, "instance");
  if (!instance_set) return false;
  std::optional<ExampleSet> class_set;
  if (!of_class.pictures.empty()) {
    class_set = encode(of_class, "class");
    if (!class_set) return false;
  }
  const BatchOptions options = batch_options_of(config_, bundle_, schedule_->num_train_timesteps());
  batches_.emplace(std::move(*instance_set), std::move(class_set), options);
  const bool cached = train_text_.size() < trainers_.size();
  text_.emplace(bundle_, batches_->captions(), cached,
                static_cast<size_t>(config_.text_cache_mb) << 20, log_,
                config_.clip_skip.value_or(0));
  batch_loss_.emplace(bundle_, *schedule_, *text_, cached, objective_, options.prior_from_base);
  return true;
}

bool Run::open_validation(const ImageFolder& held_out) {
  auto examples = encode(held_out, "held-out");
  if (!examples) return false;
  validation_.emplace(HeldOutLoss(std::move(*examples), static_cast<uint64_t>(config_.seed),
                                  kValidationTimesteps, bundle_.vae->config().scaling_factor),
                      bundle_, *schedule_, *text_, objective_.prediction_type,
                      config_.train_batch_size);
  log_.info(concat("held-out loss of the base ", validation_->base(), " over ",
                   validation_->pictures(), " pictures"));
  if (first_step_ > 0) {
    validation_->note_metrics(fs::path(config_.output_dir) / "metrics.jsonl");
  }
  return true;
}

bool Run::is_validation_due(int64_t done) const {
  return done % validation_interval_ == 0 || done == max_steps_;
}

// After `done` steps; empty where none is due.
std::map<std::string, double> Run::held_out_losses(int64_t done) {
  std::map<std::string, double> losses;
  if (!validation_ || !is_validation_due(done)) return losses;
  for (const auto& trainer : trainers_) {
    const double loss = validation_->of(*trainer, train_text_.contains(trainer.get()));
    validation_->note(trainer->name(), done, loss);
    losses[trainer->name()] = loss;
  }
  return losses;
}

void Run::make_trainers() {
  const AdapterCore& core = adapter_core(bundle_.device);
  const LinearLayers layers = bundle_.linear_layers();
  for (NamedSpec& named : adapter_specs(config_)) {
    AdapterSet set =
        AdapterSet::create(named.spec, layers, static_cast<uint64_t>(config_.seed), core);
    require_unet_blocks(config_, set);
    if (config_.init_adapter) begin_as(set, layers, *config_.init_adapter, core, log_);
    trainers_.push_back(
        std::make_unique<AdapterTrainer>(named.name, std::move(set), trainer_options_of(config_)));
    const AdapterTrainer& trainer = *trainers_.back();
    int64_t count = 0;
    for (const AdapterParameter& parameter : trainer.set().parameters()) {
      count += parameter.value.numel();
      if (parameter.module.starts_with("text_encoder")) train_text_.insert(&trainer);
    }
    log_.info(concat(named.name, ": ", trainer.set().size(), " modules, ", count,
                     " trainable parameters"));
    if (config_.train_text_encoder && !train_text_.contains(&trainer)) {
      log_.warning(concat("train_text_encoder: the target modules of ", named.name,
                          " name none of the text encoders, so they stay as they are"));
    }
  }
  if (config_.optimizer == "prodigy" && learning_rate_of(config_) < 0.1) {
    log_.warning(concat("learning_rate ", learning_rate_of(config_),
                        " is too low for prodigy, which multiplies it by its own estimate: 1 is "
                        "usual"));
  }
  const int64_t checkpoints = std::min(max_steps_ / config_.checkpointing_steps + 1,
                                       config_.checkpoints_total_limit.value_or(max_steps_) + 1);
  require_disk_space(config_.output_dir,
                     checkpoint_bytes(trainers_) * static_cast<uint64_t>(checkpoints + 1),
                     concat(checkpoints, " checkpoints of this run"));
}

// Of the first pictures, by the base alone: what a loss that runs away is measured against.
double Run::untrained_loss() const {
  constexpr int64_t kPictures = 16;
  const int64_t count = (kPictures + config_.train_batch_size - 1) / config_.train_batch_size;
  at::NoGradGuard no_grad;
  double sum = 0.0;
  for (int64_t micro = 0; micro < count; ++micro) {
    const TrainingBatch batch = batches_->batch(micro);
    const at::Tensor loss = batch_loss_->of(batch, /*live=*/true, batch_loss_->prior_target(batch));
    if (loss.defined()) sum += loss.item<double>();
  }
  return sum / static_cast<double>(count);
}

void Run::fail_not_finite(const std::string& what, double value, int64_t step) const {
  fail(what, " is ", value, " in step ", step + 1, ": the run ends");
}

// `number` counts micro-steps from the start of the run: it selects the dropout masks.
void Run::micro_step(AdapterTrainer& trainer, size_t index, const TrainingBatch& batch,
                     const at::Tensor& prior_target, int64_t step, int64_t number) {
  trainer.set().set_training(true, static_cast<uint64_t>(number), 0);
  const AttachScope scope = trainer.set().attach();
  const at::Tensor loss = batch_loss_->of(batch, train_text_.contains(&trainer), prior_target);
  if (!loss.defined()) return;  // a short batch has no rows for this process
  const double value = loss.item<double>();
  if (!std::isfinite(value)) fail_not_finite("the loss of " + trainer.name(), value, step);
  const auto accumulation = static_cast<double>(config_.gradient_accumulation_steps);
  losses_[index] += value / accumulation;
  trainer.accumulate(loss, 1.0 / accumulation);
}

void Run::train_step(int64_t step) {
  losses_.assign(trainers_.size(), 0.0);
  grad_norms_.assign(trainers_.size(), 0.0);
  const int64_t accumulation = config_.gradient_accumulation_steps;
  for (int64_t micro = 0; micro < accumulation; ++micro) {
    const int64_t number = step * accumulation + micro;
    const TrainingBatch batch = batches_->batch(number);
    const at::Tensor prior_target = batch_loss_->prior_target(batch);
    for (size_t i = 0; i < trainers_.size(); ++i) {
      micro_step(*trainers_[i], i, batch, prior_target, step, number);
    }
  }
  for (size_t i = 0; i < trainers_.size(); ++i) {
    grad_norms_[i] = trainers_[i]->step(lr_.factor(step, learning_rate_of(config_)));
    check_gradient(*trainers_[i], grad_norms_[i], step);
  }
}

void Run::check_gradient(const AdapterTrainer& trainer, double norm, int64_t step) const {
  if (std::isfinite(norm)) return;
  if (config_.mixed_precision != "fp16" || trainer.loss_scale() < 1.0) {
    fail_not_finite("the gradient norm of " + trainer.name(), norm, step);
  }
  log_.info(concat("step ", step + 1, ": the gradient of ", trainer.name(),
                   " overflowed fp16 and is left out; the loss scale is now ",
                   trainer.loss_scale()));
}

void Run::report_step(int64_t step, double seconds) {
  StepFacts facts;
  facts.done = step + 1;
  facts.lr = learning_rate_of(config_) * lr_.factor(step, learning_rate_of(config_));
  facts.seconds = seconds;
  facts.pictures = config_.train_batch_size * config_.gradient_accumulation_steps;
  facts.losses = losses_;
  facts.grad_norms = grad_norms_;
  const auto held_out = held_out_losses(facts.done);
  if (!held_out.empty()) facts.further["validation_loss"] = held_out;
  if (is_validation_due(facts.done)) {
    for (const auto& trainer : trainers_) {
      const AdapterTrainer::Averages averages(*trainer);
      facts.drift[trainer->name()] = measure_drift(trainer->set(), bundle_.linear_layers());
    }
  }
  reports_->step(facts);
  report_.diverged = reports_->diverged();
}

// The same for an adapter of a twin run and one trained alone.
std::map<std::string, std::string> Run::metadata() const {
  std::map<std::string, std::string> values = {
      {"modelspec.resolution", concat(config_.resolution, "x", config_.resolution)},
      {"ss_seed", std::to_string(config_.seed)},
      {"ss_sd_model_name", fs::path(config_.pretrained_model_name_or_path).filename().string()}};
  if (config_.instance_prompt) values["modelspec.trigger_phrase"] = *config_.instance_prompt;
  return values;
}

void Run::checkpoint(int64_t step) {
  if (checkpoint_step_ == step) return;
  reports_->sync();
  facts_.adapter_metadata["ss_steps"] = std::to_string(step);
  report_.checkpoint = write_checkpoint(config_, step, trainers_, facts_).string();
  checkpoint_step_ = step;
  progress_.on(SavedEvent{report_.checkpoint});
}

void Run::save_final() {
  facts_.adapter_metadata["ss_steps"] = std::to_string(max_steps_);
  for (size_t i = 0; i < trainers_.size(); ++i) {
    AdapterTrainer& trainer = *trainers_[i];
    const AdapterTrainer::Averages averages(trainer);
    const fs::path path =
        adapter_folder(config_.output_dir, trainers_, trainer) / "pytorch_lora_weights.safetensors";
    write_adapter_file(path, trainer.set().spec(), trainer.set().tensors(),
                       facts_.adapter_metadata);
    report_.adapters.push_back({trainer.name(), path.string(), losses_.empty() ? 0.0 : losses_[i]});
    progress_.on(SavedEvent{path.string()});
  }
}

TrainReport Run::stopped(int64_t step) {
  report_.stopped = true;
  if (step > first_step_) checkpoint(step);
  log_.info(
      concat("stopped after step ", step, " of ", max_steps_,
             report_.checkpoint.empty() ? "" : "; go on with --resume_from_checkpoint latest"));
  return report_;
}

TrainReport Run::run() {
  if (!prepare()) {
    report_.stopped = true;
    log_.info("stopped before the first step");
    return report_;
  }
  try {
    return run_steps();
  } catch (const Error& error) {
    fail(error.what(), "; ",
         report_.checkpoint.empty() ? std::string("no checkpoint was written yet")
                                    : report_.checkpoint + " is kept");
  }
}

TrainReport Run::run_steps() {
  write_run_json(config_);
  std::vector<std::string> names;
  for (const auto& trainer : trainers_) names.push_back(trainer->name());
  const double untrained = untrained_loss();
  progress_.on(StartedEvent{"train", max_steps_});
  reports_.emplace(config_, names, first_step_, max_steps_, untrained, progress_);
  report_.steps = first_step_;
  std::optional<TrainingPreviews> previews;
  if (!config_.validation_prompt.empty()) {
    previews.emplace(config_, bundle_, reports_->tensorboard(), progress_, stop_);
    if (first_step_ == 0) previews->draw(trainers_, 0);
  }
  reports_->start_clock();
  for (int64_t step = first_step_; step < max_steps_; ++step) {
    if (stop_.stop_requested()) return stopped(step);
    const auto begin = std::chrono::steady_clock::now();
    train_step(step);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    report_.steps = step + 1;
    report_step(step, seconds.count());
    const bool last = step + 1 == max_steps_;
    if (previews && is_validation_due(step + 1)) previews->draw(trainers_, step + 1);
    if ((step + 1) % config_.checkpointing_steps == 0 && !last) checkpoint(step + 1);
  }
  checkpoint(report_.steps);
  save_final();
  for (const auto& trainer : trainers_) {
    if (!validation_) break;
    log_.info(
        concat(trainer->name(), ": ", validation_->best_of(trainer->name(), config_.output_dir)));
  }
  return report_;
}

}  // namespace

TrainReport train(const TrainConfig& config, Progress& progress, std::stop_token stop) {
  return Run(config, progress, std::move(stop)).run();
}

}  // namespace dorabooth
