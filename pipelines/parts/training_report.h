// What a training run tells of every step: metrics.jsonl, event files, progress, and a word when a
// loss runs away. Internal to pipelines/train.
#pragma once

#include <chrono>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pipelines/parts/adapter_meter.h"
#include "pipelines/parts/divergence_watch.h"
#include "pipelines/train.h"
#include "src/device/device.h"
#include "src/report/metrics_file.h"
#include "src/report/tensorboard.h"

namespace dorabooth {

// One optimizer step; vectors have an entry an adapter.
struct StepFacts {
  int64_t done = 0;  // steps, this one included
  double lr = 0.0;
  double seconds = 0.0;
  int64_t pictures = 0;
  std::vector<double> losses;
  std::vector<double> grad_norms;
  // Further numbers, by what they are and then by adapter: {"validation_loss": {"lora": 0.07}}.
  std::map<std::string, std::map<std::string, double>> further;
  // By adapter and block, where it was measured.
  std::map<std::string, std::map<std::string, BlockDrift>> drift;
};

class TrainingReport {
 public:
  using Values = std::vector<std::pair<std::string, double>>;

  // `adapters`: their names. `untrained_loss`: the base's, which losses are compared with.
  TrainingReport(const TrainConfig& config, std::vector<std::string> adapters, int64_t first_step,
                 int64_t max_steps, double untrained_loss, Progress& progress);

  // Time left is reckoned from here: what comes before the first step is not repeated.
  void start_clock() { started_ = std::chrono::steady_clock::now(); }
  void step(const StepFacts& facts);
  // Returns once all lines of metrics.jsonl are on the disk.
  void sync() { metrics_.sync(); }
  // Null without event files.
  TensorboardFile* tensorboard() { return tensorboard_ ? &*tensorboard_ : nullptr; }
  bool diverged() const { return diverged_; }

 private:
  Values take(const StepFacts& facts, nlohmann::json& line) const;
  void watch(const StepFacts& facts);

  const TrainConfig& config_;
  std::vector<std::string> adapters_;
  int64_t first_step_;
  int64_t max_steps_;
  Progress& progress_;
  MetricsFile metrics_;
  std::optional<TensorboardFile> tensorboard_;
  Device device_;
  std::vector<DivergenceWatch> watches_;
  std::chrono::steady_clock::time_point started_;
  bool diverged_ = false;
};

}  // namespace dorabooth
