// One line, one set of scalars and one event a step, from the same numbers.
#include "pipelines/parts/training_report.h"

#include <nlohmann/json.hpp>

#include "pipelines/parts/process_memory.h"
#include "src/base/error.h"

namespace dorabooth {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

// Into the line by adapter and block; as tags such as "weight_change/lora/unet.mid_block".
TrainingReport::Values take_drift(const StepFacts& facts, json& line) {
  TrainingReport::Values tags;
  for (const auto& [adapter, blocks] : facts.drift) {
    for (const auto& [block, drift] : blocks) {
      line["weight_change"][adapter][block] = drift.weight_change;
      tags.emplace_back(concat("weight_change/", adapter, "/", block), drift.weight_change);
      if (!drift.magnitude_drift) continue;
      line["magnitude_drift"][adapter][block] = *drift.magnitude_drift;
      tags.emplace_back(concat("magnitude_drift/", adapter, "/", block), *drift.magnitude_drift);
    }
  }
  return tags;
}

}  // namespace

TrainingReport::TrainingReport(const TrainConfig& config, std::vector<std::string> adapters,
                               int64_t first_step, int64_t max_steps, double untrained_loss,
                               Progress& progress)
    : config_(config),
      adapters_(std::move(adapters)),
      first_step_(first_step),
      max_steps_(max_steps),
      progress_(progress),
      metrics_(fs::path(config.output_dir) / "metrics.jsonl", first_step),
      device_(open_device(config.device)),
      watches_(adapters_.size(), DivergenceWatch(untrained_loss)),
      started_(std::chrono::steady_clock::now()) {
  if (config.report_to) tensorboard_.emplace(fs::path(config.output_dir) / "logs", first_step);
}

// What the line, the event files and the progress event share.
TrainingReport::Values TrainingReport::take(const StepFacts& facts, json& line) const {
  Values values;
  for (size_t i = 0; i < adapters_.size(); ++i) {
    const std::string& name = adapters_[i];
    line["loss"][name] = facts.losses[i];
    line["grad_norm"][name] = facts.grad_norms[i];
    values.emplace_back("loss/" + name, facts.losses[i]);
    values.emplace_back("grad_norm/" + name, facts.grad_norms[i]);
  }
  for (const auto& [what, numbers] : facts.further) {
    for (const auto& [name, number] : numbers) {
      line[what][name] = number;
      values.emplace_back(concat(what, "/", name), number);
    }
  }
  const auto add = [&](const char* name, double value) {
    line[name] = value;
    values.emplace_back(name, value);
  };
  add("lr", facts.lr);
  add("images_per_second", static_cast<double>(facts.pictures) / facts.seconds);
  add("peak_memory_mb", peak_memory_mb());
  const double on_device = peak_device_memory_mb(device_);
  if (on_device > 0) add("peak_device_memory_mb", on_device);
  return values;
}

void TrainingReport::step(const StepFacts& facts) {
  json line = {{"step", facts.done}, {"seconds", facts.seconds}};
  const Values values = take(facts, line);
  const Values drift = take_drift(facts, line);
  metrics_.append(line);
  if (tensorboard_) {
    for (const Values* all : {&values, &drift}) {
      for (const auto& [tag, value] : *all)
        tensorboard_->scalar(facts.done, tag, static_cast<float>(value));
    }
  }
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - started_;
  const double mean = elapsed.count() / static_cast<double>(facts.done - first_step_);
  progress_.on(StepEvent{facts.done, max_steps_, values, mean,
                         mean * static_cast<double>(max_steps_ - facts.done)});
  watch(facts);
}

void TrainingReport::watch(const StepFacts& facts) {
  for (size_t i = 0; i < adapters_.size(); ++i) {
    if (!watches_[i].add(facts.losses[i])) continue;
    diverged_ = true;
    log_to(progress_).warning(concat(
        "the loss of ", adapters_[i], " has been over ten times its start for 20 steps (now ",
        facts.losses[i], " in step ", facts.done, "): the learning rate ", config_.learning_rate,
        " is too high for this run"));
  }
}

}  // namespace dorabooth
