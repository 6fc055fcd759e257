// The training loop: one base, one batch a micro-step, each adapter's forward and backward after
// the other. Everything a step draws is a function of (seed, stream, step, index).
#include "pipelines/train.h"

#include <ATen/ATen.h>

#include <chrono>
#include <cmath>
#include <map>
#include <set>

#include "pipelines/parts/base_loading.h"
#include "pipelines/parts/batch_loss.h"
#include "pipelines/parts/divergence_watch.h"
#include "pipelines/parts/kept_texts.h"
#include "pipelines/parts/output_format.h"
#include "pipelines/parts/step_meter.h"
#include "pipelines/parts/time_forecast.h"
#include "pipelines/parts/token_abstractions.h"
#include "pipelines/parts/trainer_making.h"
#include "pipelines/parts/trainer_options.h"
#include "pipelines/parts/training_examples.h"
#include "pipelines/parts/training_metadata.h"
#include "pipelines/parts/training_pictures.h"
#include "pipelines/parts/training_previews.h"
#include "pipelines/parts/training_processes.h"
#include "pipelines/parts/training_report.h"
#include "pipelines/parts/training_run.h"
#include "pipelines/parts/training_step.h"
#include "pipelines/parts/training_text.h"
#include "pipelines/parts/training_validation.h"
#include "src/base/atomic_file.h"
#include "src/base/error.h"

namespace dorabooth {

namespace fs = std::filesystem;
namespace {

constexpr int64_t kValidationTimesteps = 8;  // of every held-out picture

class Run {
 public:
  Run(const TrainConfig& config, Progress& progress, std::stop_token stop,
      const ProcessEnvironment& processes)
      : config_(config),
        progress_(progress),
        log_(log_to(progress)),
        stop_(std::move(stop)),
        processes_(processes) {}

  TrainReport run();

 private:
  bool prepare();
  void check_pictures(ImageFolder& folder);
  std::optional<ExampleSet> encode(const ImageFolder& folder, const std::string& stream);
  bool open_batches(const ImageFolder& instance, const ImageFolder& of_class);
  void set_steps(int64_t micro_steps, size_t pictures);
  void open_validation(const ImageFolder& held_out);
  bool is_validation_due(int64_t done) const;
  std::map<std::string, double> held_out_losses(int64_t done);
  void make_trainers();
  void open_output();
  void open_reports();
  double untrained_loss() const;
  void report_step(int64_t step, double seconds);
  TimeForecast time_forecast() const;
  void tell_forecast(std::optional<double> seconds);
  void save_final();
  void checkpoint(int64_t step);
  TrainReport stopped(int64_t step);
  TrainReport run_steps();
  double peak_rate() const { return learning_rate_of(config_, processes_.size()); }
  // Whether some process was told to. All of them meet at the first.
  bool is_stopped() const { return processes_.any(stop_.stop_requested()); }

  const TrainConfig& config_;
  Progress& progress_;
  Log log_;
  std::stop_token stop_;
  TrainingProcesses processes_;

  SdxlBundle bundle_;
  std::optional<TaughtTokens> tokens_;
  std::optional<Ddpm> schedule_;
  ObjectiveConfig objective_;
  std::optional<BatchSource> batches_;
  std::optional<TrainingText> text_;
  std::optional<BatchLoss> batch_loss_;
  std::optional<TrainingValidation> validation_;
  Trainers trainers_;
  std::set<const AdapterTrainer*> train_text_;  // those that change a text encoder's output
  int64_t text_steps_ = 0;                      // after which they leave it as it is
  LrSchedule lr_;
  RunFacts facts_;
  std::optional<ResumePoint> resume_;
  int64_t max_steps_ = 0;
  int64_t epoch_steps_ = 1;
  int64_t validation_interval_ = 0;  // steps
  int64_t first_step_ = 0;

  TrainConfig shown_;                      // with placeholders in the validation prompts
  std::optional<TrainingReport> reports_;  // of the first process
  std::optional<TrainingPreviews> previews_;
  std::optional<TrainingStep> step_;
  double preview_seconds_ = 0.0;  // of the first validation
  int64_t checkpoint_step_ = -1;  // of report_.checkpoint
  TrainReport report_;
};

// Decodes them once before anything else takes time.
void Run::check_pictures(ImageFolder& folder) {
  for (std::string& note : verify_pictures(folder.pictures, stop_))
    folder.notes.push_back(std::move(note));
}

// Where there is a disk cache the first process fills it and the others find what they need.
std::optional<ExampleSet> Run::encode(const ImageFolder& folder, const std::string& stream) {
  const bool in_turn = config_.disk_cache_dir.has_value();
  if (in_turn && !processes_.is_first()) processes_.meet();
  auto examples = encode_pictures(config_, bundle_, folder, stream, progress_, stop_);
  if (in_turn && processes_.is_first()) processes_.meet();
  return examples;
}

void Run::set_steps(int64_t micro_steps, size_t pictures) {
  const int64_t accumulation = config_.gradient_accumulation_steps;
  epoch_steps_ = (micro_steps + accumulation - 1) / accumulation;
  max_steps_ = config_.max_train_steps.value_or(config_.num_train_epochs * epoch_steps_);
  validation_interval_ = validation_interval(config_, epoch_steps_);
  facts_.total_steps = max_steps_;
  text_steps_ = text_steps_of(config_, max_steps_);
  facts_.adapter_metadata = training_metadata(
      config_, {static_cast<int64_t>(pictures), max_steps_, epoch_steps_, peak_rate()});
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
  processes_.join(config_, open_device(config_.device), log_);
  facts_.processes = processes_.size();
  check_train_config(config_);
  check_output_format(config_);
  ImageFolder instance = instance_pictures(config_);
  check_pictures(instance);
  if (is_stopped()) return false;
  ImageFolder held_out;
  if (config_.validation_split > 0) held_out = hold_out_pictures(config_, instance);
  set_steps(batches_per_epoch(example_request(config_, 0, "instance", instance.pictures),
                              config_.train_batch_size * processes_.size()),
            instance.pictures.size());
  if (processes_.is_first()) open_output();
  processes_.meet();
  const ExampleRequest examples = example_request(config_, 0, "instance", instance.pictures);
  if (const std::string crops = heavy_crops(examples); !crops.empty()) log_.warning(crops);
  const RunForecast forecast =
      forecast_run(config_, run_size(examples), processes_.on_this_machine());
  log_.info(concat("forecast: ", forecast_line(forecast)));
  refuse_what_does_not_fit(forecast);
  resume_ = find_resume_point(config_, processes_.size(), log_);
  if (processes_.is_first()) make_class_pictures_apart(config_, progress_, stop_);
  if (is_stopped()) return false;
  bundle_ = load_base(model_options_of(config_), log_);
  bundle_.unet->set_gradient_checkpointing(config_.gradient_checkpointing);
  if (config_.rescale_betas_zero_snr) {
    bundle_.scheduler.rescale_betas_zero_snr = true;
    bundle_.scheduler.given.push_back("rescale_betas_zero_snr");
  }
  schedule_.emplace(config_for_class(bundle_.scheduler, "DDPMScheduler"));
  objective_ = objective_of(config_, bundle_.scheduler.prediction_type);
  tokens_ = teach_tokens(config_, bundle_, {&instance, &held_out}, facts_, log_);
  make_trainers();

  ImageFolder of_class;
  if (config_.with_prior_preservation && config_.prior_preservation_source == "pictures") {
    if (processes_.is_first()) make_class_pictures(config_, bundle_, progress_, stop_);
    if (is_stopped()) return false;
    of_class = class_pictures(config_);
    check_pictures(of_class);
  }
  if (is_stopped()) return false;
  facts_.pictures = digest_of(instance.pictures) + digest_of(of_class.pictures);
  if (!held_out.pictures.empty()) facts_.pictures += digest_of(held_out.pictures);
  if (resume_) {
    load_checkpoint(*resume_, config_, facts_, trainers_, log_);
    first_step_ = resume_->step;
    report_.checkpoint = resume_->folder.string();
  }
  processes_.require_same_start(facts_, first_step_, trainers_);
  if (processes_.is_first()) warn_of_later_checkpoints(config_.output_dir, first_step_, log_);

  if (!open_batches(instance, of_class)) return false;
  if (!held_out.pictures.empty() && processes_.is_first()) open_validation(held_out);
  return !is_stopped();
}

bool Run::open_batches(const ImageFolder& instance, const ImageFolder& of_class) {
  auto instance_set = encode(instance, "instance");
  if (is_stopped()) return false;
  std::optional<ExampleSet> class_set;
  if (!of_class.pictures.empty()) {
    class_set = encode(of_class, "class");
    if (is_stopped()) return false;
  }
  BatchOptions options = batch_options_of(config_, bundle_, schedule_->num_train_timesteps());
  options.share = {processes_.rank(), processes_.size()};
  batches_.emplace(std::move(*instance_set), std::move(class_set), options);
  const bool cached = train_text_.size() < trainers_.size();
  text_.emplace(
      bundle_, batches_->captions(), cached, static_cast<size_t>(config_.text_cache_mb) << 20, log_,
      config_.clip_skip.value_or(0), cached ? text_cache_of(config_, bundle_) : std::nullopt);
  batch_loss_.emplace(bundle_, *schedule_, *text_, cached, objective_, options.prior_from_base);
  return true;
}

void Run::open_validation(const ImageFolder& held_out) {
  auto examples = encode_pictures(config_, bundle_, held_out, "held-out", progress_, stop_);
  if (!examples) return;
  validation_.emplace(HeldOutLoss(std::move(*examples), static_cast<uint64_t>(config_.seed),
                                  kValidationTimesteps, bundle_.vae->config().scaling_factor),
                      bundle_, *schedule_, *text_, objective_.prediction_type,
                      config_.train_batch_size);
  log_.info(concat("held-out loss of the base ", validation_->base(), " over ",
                   validation_->pictures(), " pictures"));
  if (first_step_ > 0) {
    validation_->note_metrics(fs::path(config_.output_dir) / "metrics.jsonl");
  }
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
  trainers_ = trainers_of(config_, bundle_, tokens_ ? &tokens_->first_rows : nullptr,
                          processes_.size(), log_);
  for (const auto& trainer : trainers_) {
    if (trainer->changes_text()) train_text_.insert(trainer.get());
  }
  if (config_.optimizer == "prodigy" && peak_rate() < 0.1) {
    log_.warning(concat("learning_rate ", peak_rate(),
                        " is too low for prodigy, which multiplies it by its own estimate: 1 is "
                        "usual"));
  }
  if (!processes_.is_first()) return;
  const int64_t checkpoints = std::min(max_steps_ / config_.checkpointing_steps + 1,
                                       config_.checkpoints_total_limit.value_or(max_steps_) + 1);
  require_disk_space(config_.output_dir,
                     checkpoint_bytes(config_, trainers_) * static_cast<uint64_t>(checkpoints + 1),
                     concat(checkpoints, " checkpoints of this run"));
}

// Of the first pictures, by the base alone: what a loss that runs away is measured against. Shorter
// runs are not watched; in SDXL's size on a CPU these passes take minutes.
double Run::untrained_loss() const {
  if (max_steps_ - first_step_ < DivergenceWatch::kSteps) return 0.0;
  constexpr int64_t kPictures = 16;
  const int64_t count = (kPictures + config_.train_batch_size - 1) / config_.train_batch_size;
  at::NoGradGuard no_grad;
  double sum = 0.0;
  StepMeter meter(progress_, "measure the base", count);
  for (int64_t micro = 0; micro < count && !stop_.stop_requested(); ++micro, meter.step()) {
    const TrainingBatch batch = batches_->batch(micro);
    const at::Tensor loss = batch_loss_->of(batch, /*live=*/true, batch_loss_->prior_target(batch));
    if (loss.defined()) sum += loss.item<double>();
  }
  return sum / static_cast<double>(count);
}

void Run::report_step(int64_t step, double seconds) {
  if (!processes_.is_first()) return;
  StepFacts facts;
  facts.done = step + 1;
  facts.lr = peak_rate() * lr_.factor(step, peak_rate());
  facts.seconds = seconds;
  facts.pictures =
      config_.train_batch_size * processes_.size() * config_.gradient_accumulation_steps;
  facts.losses = step_->losses();
  facts.grad_norms = step_->grad_norms();
  for (const auto& trainer : trainers_) {
    if (trainer->learning_rate() == peak_rate()) continue;
    const double own = trainer->learning_rate();
    facts.further["lr_of_adapter"][trainer->name()] = own * lr_.factor(step, own);
  }
  const auto held_out = held_out_losses(facts.done);
  if (!held_out.empty()) facts.further["validation_loss"] = held_out;
  if (is_validation_due(facts.done)) {
    for (const auto& trainer : trainers_) {
      const AdapterTrainer::Averages averages(*trainer);
      facts.drift[trainer->name()] = trainer->drift(bundle_.linear_layers());
    }
  }
  reports_->step(facts);
  report_.diverged = reports_->diverged();
}

void Run::checkpoint(int64_t step) {
  if (checkpoint_step_ == step) return;
  if (processes_.is_first()) {
    reports_->sync();
    note_step(facts_.adapter_metadata, step, epoch_steps_);
    write_checkpoint(config_, step, trainers_, facts_);
  }
  processes_.meet();
  report_.checkpoint = checkpoint_path(config_, step).string();
  checkpoint_step_ = step;
  progress_.on(SavedEvent{report_.checkpoint});
}

void Run::save_final() {
  note_step(facts_.adapter_metadata, max_steps_, epoch_steps_);
  for (size_t i = 0; i < trainers_.size(); ++i) {
    AdapterTrainer& trainer = *trainers_[i];
    const AdapterTrainer::Averages averages(trainer);
    const TrainedFiles files = write_trained(
        config_, adapter_folder(config_.output_dir, trainers_, trainer), trainer, facts_);
    report_.adapters.push_back({trainer.name(), files.adapter.string(),
                                step_->losses().empty() ? 0.0 : step_->losses()[i],
                                files.embedding.string()});
    progress_.on(SavedEvent{files.adapter.string()});
    report_.adapters.back().parameters = trainer.parameter_count();
    report_.adapters.back().converted = write_for_reader(config_, files.adapter, progress_);
    if (!files.embedding.empty()) progress_.on(SavedEvent{files.embedding.string()});
    report_.adapters.back().model = files.model.string();
    if (!files.model.empty()) progress_.on(SavedEvent{files.model.string()});
  }
}

TrainReport Run::stopped(int64_t step) {
  report_.stopped = true;
  if (step > first_step_) checkpoint(step);
  log_.info(
      concat("stopped after step ", step, " of ", max_steps_,
             report_.checkpoint.empty() ? "" : "; go on with --resume_from_checkpoint latest"));
  processes_.meet();
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

void Run::open_reports() {
  write_run_json(config_, processes_.size());
  std::vector<std::string> names;
  for (const auto& trainer : trainers_) names.push_back(trainer->name());
  const double untrained = untrained_loss();
  progress_.on(StartedEvent{"train", max_steps_});
  reports_.emplace(config_, names, first_step_, max_steps_, untrained, progress_);
  if (!config_.validation_prompt.empty()) {
    shown_ = tokens_ ? tokens_->words.shown(config_) : config_;
    previews_.emplace(shown_, bundle_, reports_->tensorboard(), progress_, stop_);
    const auto begin = std::chrono::steady_clock::now();
    if (first_step_ == 0) previews_->draw(trainers_, 0);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    preview_seconds_ = seconds.count();
  }
  reports_->start_clock();
}

// Validations cost what the first one did, which drew the base's pictures too.
TimeForecast Run::time_forecast() const {
  const auto work = [this](int64_t step) {
    int64_t pixels = 0;
    for (int64_t i = 0; i < config_.gradient_accumulation_steps; ++i)
      pixels += batches_->pixels(step * config_.gradient_accumulation_steps + i);
    return static_cast<double>(pixels);
  };
  const auto validations = static_cast<double>((max_steps_ - 1) / validation_interval_ -
                                               first_step_ / validation_interval_ + 1);
  const auto adapters = static_cast<double>(trainers_.size());
  const double each = preview_seconds_ * adapters / (adapters + 1);
  return TimeForecast(first_step_, max_steps_, work, validations * each);
}

void Run::tell_forecast(std::optional<double> seconds) {
  if (!seconds || max_steps_ - first_step_ < 4) return;
  report_.forecast_seconds = *seconds;
  log_.info(concat("forecast: ", max_steps_ - first_step_, " steps take about ",
                   std::llround(std::ceil(*seconds)), " s"));
}

TrainReport Run::run_steps() {
  report_.steps = first_step_;
  step_.emplace(StepParts{config_, *batches_, *batch_loss_, *text_, trainers_, train_text_, lr_,
                          processes_, stop_, log_});
  if (processes_.is_first()) open_reports();
  const auto seconds_since = [](std::chrono::steady_clock::time_point begin) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  const auto start = std::chrono::steady_clock::now();
  TimeForecast forecast = time_forecast();
  bool stop = is_stopped();
  for (int64_t step = first_step_; step < max_steps_; ++step) {
    if (stop) return stopped(step);
    const auto begin = std::chrono::steady_clock::now();
    if (step >= text_steps_) keep_texts(trainers_, *text_, log_);
    step_->run(step);
    const double seconds = seconds_since(begin);
    report_.steps = step + 1;
    report_step(step, seconds);
    tell_forecast(forecast.add(step, seconds));
    const bool last = step + 1 == max_steps_;
    if (previews_ && is_validation_due(step + 1)) previews_->draw(trainers_, step + 1);
    if (is_validation_due(step + 1)) processes_.meet();
    if ((step + 1) % config_.checkpointing_steps == 0 && !last) checkpoint(step + 1);
    stop = processes_.group() ? step_->stop_agreed() : is_stopped();
  }
  report_.seconds = seconds_since(start);
  checkpoint(report_.steps);
  if (processes_.is_first()) save_final();
  for (const auto& trainer : trainers_) {
    if (!validation_) break;
    log_.info(
        concat(trainer->name(), ": ", validation_->best_of(trainer->name(), config_.output_dir)));
  }
  processes_.end_together(trainers_, log_);
  return report_;
}

}  // namespace

TrainReport train(const TrainConfig& config, Progress& progress, std::stop_token stop,
                  const ProcessEnvironment& processes) {
  if (processes.rank == 0) return Run(config, progress, std::move(stop), processes).run();
  const std::string label = concat("[process ", processes.rank, "] ");
  OtherProcessProgress quiet(progress, label);
  try {
    return Run(config, quiet, std::move(stop), processes).run();
  } catch (const UsageError& error) {
    throw UsageError(label + error.what());
  } catch (const Error& error) {
    throw Error(label + error.what());
  }
}

}  // namespace dorabooth
