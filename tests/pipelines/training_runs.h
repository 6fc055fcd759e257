// Training runs of the bundled base on a few of the bundled pictures: small enough that a run takes
// a second.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "pipelines/train.h"
#include "src/base/atomic_file.h"
#include "src/report/metrics_file.h"
#include "tests/pipelines/example_base.h"
#include "tests/support/fixtures.h"

namespace dorabooth::testing {

namespace fs = std::filesystem;

// `count` of the bundled pictures with their captions.
inline fs::path some_pictures(const fs::path& folder, int64_t count) {
  const fs::path source = asset_path("pictures/train");
  std::istringstream table(read_file(source / "metadata.jsonl"));
  fs::create_directories(folder);
  std::string kept;
  std::string line;
  for (int64_t i = 0; i < count && std::getline(table, line); ++i) {
    const std::string name = nlohmann::json::parse(line).at("file_name");
    fs::copy_file(source / name, folder / name);
    kept += line + "\n";
  }
  write_file_atomically(folder / "metadata.jsonl", kept);
  return folder;
}

// Asks to stop after optimizer step `stop_at`.
class TrainingRecorder : public Recorder {
 public:
  void on(const Event& event) override {
    events.push_back(event);
    if (const auto* started = std::get_if<StartedEvent>(&event))
      training_ = started->what == "train";
    const auto* step = std::get_if<StepEvent>(&event);
    if (step && training_ && step->step == stop_at) stop.request_stop();
  }

 private:
  bool training_ = false;
};

class TrainingTest : public ::testing::Test {
 protected:
  TrainingTest() {
    config_.pretrained_model_name_or_path = base_path();
    config_.instance_data_dir = some_pictures(folder_.path() / "pictures", 4).string();
    config_.instance_prompt = "a sks icon of {caption}";
    config_.device = "cpu";
    config_.resolution = 64;
    config_.rank = 2;
    config_.train_batch_size = 1;
    config_.max_train_steps = 4;
    config_.learning_rate = 1e-3;
    config_.text_encoder_lr = 1e-3;
    config_.output_dir = (folder_.path() / "out").string();
  }

  fs::path out() const { return config_.output_dir; }

  // Trains into OUT = `name`; what it told is in recorder_.
  TrainReport train_into(const std::string& name, TrainConfig config, int64_t stop_at = -1) {
    config.output_dir = (folder_.path() / name).string();
    recorder_ = TrainingRecorder();
    recorder_.stop_at = stop_at;
    return train(config, recorder_, recorder_.stop.get_token());
  }

  std::string bytes(const std::string& file) const { return read_file(folder_.path() / file); }
  std::string adapter_bytes(const std::string& name) const {
    return bytes(name + "/pytorch_lora_weights.safetensors");
  }

  // Everything of metrics.jsonl that does not depend on the clock.
  std::vector<nlohmann::json> metrics(const std::string& name) const {
    std::vector<nlohmann::json> lines = read_metrics(folder_.path() / name / "metrics.jsonl");
    for (nlohmann::json& line : lines) {
      for (const char* key : {"seconds", "images_per_second", "peak_memory_mb"}) {
        EXPECT_TRUE(line.contains(key)) << key;
        line.erase(key);
      }
    }
    return lines;
  }

  std::vector<std::string> warnings() const {
    std::vector<std::string> texts;
    for (const LogEvent& event : recorder_.all<LogEvent>()) {
      if (event.level == LogLevel::kWarning) texts.push_back(event.text);
    }
    return texts;
  }

  std::vector<std::string> checkpoints(const std::string& name) const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_.path() / name)) {
      const std::string file = entry.path().filename().string();
      if (file.starts_with("checkpoint-")) names.push_back(file);
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  TemporaryFolder folder_;
  TrainConfig config_;
  TrainingRecorder recorder_;
};

}  // namespace dorabooth::testing
