// Every draw of a step is a function of (seed, stream, step, row), so that a run which goes on from
// a checkpoint repeats the bits of one that was never stopped.
#include "pipelines/parts/pretrain_run.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/version.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <deque>
#include <nlohmann/json.hpp>

#include "pipelines/parts/checkpoint_folder.h"
#include "pipelines/parts/process_memory.h"
#include "pipelines/parts/tensor_store.h"
#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/ops/dense_product.h"
#include "src/optimizer/lr_schedule.h"
#include "src/report/metrics_file.h"
#include "src/report/tensorboard.h"

namespace dorabooth {

namespace fs = std::filesystem;
using nlohmann::json;
using Clock = std::chrono::steady_clock;
using Values = std::vector<std::pair<std::string, double>>;

namespace {

constexpr const char* kState = "state.safetensors";
constexpr size_t kLastSteps = 100;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

const std::set<std::string>& free_settings() {
  static const std::set<std::string> names = {"output_dir",
                                              "output_dtype",
                                              "checkpointing_steps",
                                              "checkpoints_total_limit",
                                              "report_to",
                                              "max_train_steps",
                                              "resume_from_checkpoint",
                                              "config_dir",
                                              "concepts_list",
                                              "instance_data_dir",
                                              "replicas",
                                              "pretrained_model_name_or_path",
                                              "pretrained_vae_model_name_or_path"};
  return names;
}

json environment_of(const PretrainConfig& config) {
  return {{"dense_products", dense_product_rule()},
          {"replicas", replica_count(config)},
          {"cpu_capability", at::get_cpu_capability()},
          {"libtorch", TORCH_VERSION}};
}

class Steps {
 public:
  Steps(const PretrainConfig& config, PretrainStage& stage, WeightReplicas& weights,
        const std::string& pictures, Progress& progress, std::stop_token stop)
      : config_(config),
        stage_(stage),
        weights_(weights),
        pictures_(pictures),
        progress_(progress),
        log_(log_to(progress)),
        stop_(std::move(stop)) {}

  PretrainReport run();

 private:
  void resume();
  void open_reports();
  Values step(int64_t number);
  void tell(int64_t done, double seconds, const Values& values);
  void checkpoint(int64_t done);

  const PretrainConfig& config_;
  PretrainStage& stage_;
  WeightReplicas& weights_;
  std::string pictures_;
  Progress& progress_;
  Log log_;
  std::stop_token stop_;
  LrSchedule lr_;
  std::optional<MetricsFile> metrics_;
  std::optional<TensorboardFile> tensorboard_;
  std::deque<double> losses_;
  Clock::time_point started_;
  int64_t first_step_ = 0;
  int64_t checkpoint_step_ = -1;
  PretrainReport report_;
};

void Steps::resume() {
  if (!config_.resume_from_checkpoint) return;
  const auto folder = folder_to_resume(config_.output_dir, *config_.resume_from_checkpoint, log_);
  if (!folder) return;
  const json state = read_checkpoint_state(*folder);
  const PretrainConfig untouched;
  check_resumed_settings(*folder, state["config"], pretrain_fields().to_json(&config_),
                         pretrain_fields().to_json(&untouched), free_settings());
  warn_of_environment(*folder, state["environment"], environment_of(config_), log_);
  if (state["pictures"] != pictures_) {
    fail("resume from ", folder->string(),
         ": the pictures or captions are not those that it was trained on");
  }
  first_step_ = state["step"];
  if (first_step_ > config_.max_train_steps) {
    fail("resume from ", folder->string(), ": it is after step ", first_step_,
         ", this run has only ", config_.max_train_steps);
  }
  warn_of_total_steps(*folder, state["total_steps"], config_.max_train_steps, config_.lr_scheduler,
                      log_);
  weights_.load_state(read_tensors(*folder / kState));
  report_.checkpoint = folder->string();
  checkpoint_step_ = first_step_;
  log_.info(concat("resumed from ", folder->string(), " after step ", first_step_));
}

void Steps::open_reports() {
  const fs::path output = config_.output_dir;
  warn_of_later_checkpoints(output, first_step_, log_);
  PretrainConfig repeated = config_;
  repeated.resume_from_checkpoint.reset();
  json run = pretrain_fields().to_json(&repeated);
  run["_environment"] = environment_of(config_);
  write_file_atomically(output / "run.json", run.dump(2) + "\n");
  metrics_.emplace(output / "metrics.jsonl", first_step_);
  if (config_.report_to) tensorboard_.emplace(output / "logs", first_step_);
}

Values Steps::step(int64_t number) {
  std::vector<Values> parts(weights_.count());
  weights_.accumulate([&](size_t replica) { parts[replica] = stage_.backward(replica, number); });
  Values values = parts[0];
  for (size_t i = 1; i < parts.size(); ++i) {
    for (size_t k = 0; k < values.size(); ++k) values[k].second += parts[i][k].second;
  }
  if (!std::isfinite(values[0].second)) {
    fail("the loss is not a number in step ", number + 1, ": the learning rate ",
         config_.learning_rate, " is too high",
         report_.checkpoint.empty() ? "" : "; the last checkpoint is " + report_.checkpoint);
  }
  const double factor = lr_.factor(number, config_.learning_rate);
  values.emplace_back("grad_norm", weights_.step(factor, config_.max_grad_norm));
  values.emplace_back("lr", factor * config_.learning_rate);
  return values;
}

void Steps::tell(int64_t done, double seconds, const Values& values) {
  json line = {{"step", done}, {"seconds", seconds}};
  for (const auto& [name, value] : values) line[name] = value;
  line["images_per_second"] = static_cast<double>(config_.train_batch_size) / seconds;
  line["peak_memory_mb"] = peak_memory_mb();
  metrics_->append(line);
  if (tensorboard_) {
    for (const auto& [name, value] : values)
      tensorboard_->scalar(done, name, static_cast<float>(value));
  }
  losses_.push_back(values[0].second);
  if (losses_.size() > kLastSteps) losses_.pop_front();
  const double mean = seconds_since(started_) / static_cast<double>(done - first_step_);
  progress_.on(StepEvent{done, config_.max_train_steps, values, mean,
                         mean * static_cast<double>(config_.max_train_steps - done)});
}

void Steps::checkpoint(int64_t done) {
  if (done == checkpoint_step_) return;
  metrics_->sync();
  const fs::path folder = checkpoint_folder(config_.output_dir, done);
  publish_checkpoint(
      folder,
      [&](const fs::path& temporary) { write_tensors(temporary / kState, weights_.state(), {}); },
      {{"step", done},
       {"total_steps", config_.max_train_steps},
       {"pictures", pictures_},
       {"config", pretrain_fields().to_json(&config_)},
       {"environment", environment_of(config_)}});
  if (config_.checkpoints_total_limit)
    remove_checkpoints_beyond(config_.output_dir, *config_.checkpoints_total_limit, done);
  checkpoint_step_ = done;
  report_.checkpoint = folder.string();
  progress_.on(SavedEvent{report_.checkpoint});
}

PretrainReport Steps::run() {
  remove_unfinished_checkpoints(config_.output_dir);
  lr_.name = config_.lr_scheduler;
  lr_.warmup_steps = config_.lr_warmup_steps;
  lr_.total_steps = config_.max_train_steps;
  resume();
  open_reports();
  progress_.on(StartedEvent{"pretrain " + config_.stage, config_.max_train_steps});
  started_ = Clock::now();
  int64_t done = first_step_;
  for (; done < config_.max_train_steps && !stop_.stop_requested(); ++done) {
    const Clock::time_point began = Clock::now();
    const Values values = step(done);
    tell(done + 1, seconds_since(began), values);
    if ((done + 1) % config_.checkpointing_steps == 0) checkpoint(done + 1);
  }
  report_.steps = done;
  report_.stopped = done < config_.max_train_steps;
  report_.seconds = seconds_since(started_);
  for (const double loss : losses_) report_.last_loss += loss / static_cast<double>(losses_.size());
  checkpoint(done);
  return report_;
}

}  // namespace

size_t replica_count(const PretrainConfig& config) {
  const int64_t wanted = config.replicas > 0 ? config.replicas : at::get_num_threads();
  return static_cast<size_t>(std::clamp<int64_t>(wanted, 1, config.train_batch_size));
}

RowRange rows_of_replica(int64_t batch_size, size_t replicas, size_t replica) {
  const auto count = static_cast<int64_t>(replicas);
  const auto index = static_cast<int64_t>(replica);
  const int64_t first = batch_size * index / count;
  return {first, batch_size * (index + 1) / count - first};
}

ReplicaOptions replica_options_of(const PretrainConfig& config) {
  ReplicaOptions options;
  options.dtype = config.mixed_precision == "bf16" ? at::kBFloat16 : at::kFloat;
  options.frozen = config.frozen_modules;
  options.learning_rate = config.learning_rate;
  options.weight_decay = config.adam_weight_decay;
  options.adamw = {config.adam_beta1, config.adam_beta2, config.adam_epsilon};
  options.ema_decay = config.ema_decay;
  return options;
}

PretrainReport run_steps(const PretrainConfig& config, PretrainStage& stage,
                         WeightReplicas& weights, const std::string& pictures, Progress& progress,
                         std::stop_token stop) {
  return Steps(config, stage, weights, pictures, progress, std::move(stop)).run();
}

}  // namespace dorabooth
