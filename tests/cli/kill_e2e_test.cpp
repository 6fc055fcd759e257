// A training that is killed at any moment goes on from its last whole checkpoint, and ends in the
// bytes of the run that nothing happened to. DORABOOTH_KILL_SEED=N repeats a run's moments.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>
#include <random>

#include "tests/cli/program.h"

namespace dorabooth::testing::kill_e2e_test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kSteps = 24;

class Kill : public ::testing::Test {
 protected:
  Kill() {
    const char* given = std::getenv("DORABOOTH_KILL_SEED");
    seed_ = given ? std::strtoul(given, nullptr, 10) : std::random_device{}();
    std::cout << "DORABOOTH_KILL_SEED=" << seed_ << '\n';
    draws_.seed(seed_);
  }

  // The run that nothing happens to.
  void SetUp() override {
    const auto begin = std::chrono::steady_clock::now();
    const Outcome whole = run(training("whole", false));
    ASSERT_EQ(whole.status, 0) << whole.errors;
    whole_took_ = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - begin);
  }

  std::vector<std::string> training(const std::string& out, bool resumes) const {
    std::vector<std::string> words = {"train",
                                      "--config",
                                      "configs/style_small.json",
                                      "--max_train_samples",
                                      "4",
                                      "--train_batch_size",
                                      "1",
                                      "--resolution",
                                      "64",
                                      "--lora_dropout",
                                      "0.1",
                                      "--use_ema",
                                      "--max_train_steps",
                                      std::to_string(kSteps),
                                      "--checkpointing_steps",
                                      "2",
                                      "--checkpoints_total_limit",
                                      "2",
                                      "--validation_steps",
                                      "5",
                                      "--report_to",
                                      "tensorboard",
                                      "--validation_prompt",
                                      "a sks icon of rabbit",
                                      "--num_validation_images",
                                      "1",
                                      "--validation_inference_steps",
                                      "1",
                                      "--output_dir",
                                      (folder_.path() / out).string()};
    if (resumes) words.insert(words.end(), {"--resume_from_checkpoint", "latest"});
    return words;
  }

  // Everything of metrics.jsonl that no clock or memory is in.
  std::string metrics(const std::string& out) const {
    std::istringstream lines(file_text(folder_.path() / out / "metrics.jsonl"));
    std::string kept;
    for (std::string line; std::getline(lines, line);) {
      json values = json::parse(line);
      for (const char* key : {"seconds", "images_per_second", "peak_memory_mb"}) values.erase(key);
      kept += values.dump() + "\n";
    }
    return kept;
  }

  // Lets the run live until `is_time`; true if it ended by itself.
  bool kill_when(const std::function<bool()>& is_time) {
    Program program(training("killed", /*resumes=*/true));
    while (!is_time() && !program.ended()) {
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    if (!program.ended()) {
      program.send(SIGKILL);
      program.wait();
      ++kills_;
      return false;
    }
    const Outcome outcome = program.wait();
    EXPECT_EQ(outcome.status, 0) << outcome.errors;
    // Nothing that a kill leaves behind is torn: what is half written has another name.
    EXPECT_EQ(outcome.errors.find("torn"), std::string::npos) << outcome.errors;
    return true;
  }

  std::chrono::milliseconds random_time(std::chrono::milliseconds most) {
    return std::chrono::milliseconds(
        std::uniform_int_distribution<int64_t>(0, most.count())(draws_));
  }

  bool has_unfinished_checkpoint() const {
    std::error_code absent;
    for (const auto& entry : fs::directory_iterator(folder_.path() / "killed", absent)) {
      if (entry.path().extension() == ".tmp") return true;
    }
    return false;
  }

  bool ends_after(std::chrono::milliseconds life) {
    const auto end = std::chrono::steady_clock::now() + life;
    return kill_when([&] { return std::chrono::steady_clock::now() >= end; });
  }

  void expect_same_as_whole() const {
    std::cout << kills_ << " kills\n";
    EXPECT_EQ(metrics("whole"), metrics("killed"));
    for (const std::string file :
         {"lora/pytorch_lora_weights.safetensors", "dora/pytorch_lora_weights.safetensors",
          "checkpoint-24/state-lora.safetensors", "checkpoint-24/state-dora.safetensors",
          "samples/step-24/dora-0.png", "samples/base/base-0.png", "samples/step-24.png"}) {
      EXPECT_TRUE(file_text(folder_.path() / "whole" / file) ==
                  file_text(folder_.path() / "killed" / file))
          << file;
    }
    for (const auto& entry : fs::directory_iterator(folder_.path() / "killed")) {
      const std::string extension = entry.path().extension().string();
      EXPECT_NE(extension, ".tmp") << entry.path();
      EXPECT_NE(extension.substr(0, 4), ".old") << entry.path();
    }
  }

  TemporaryFolder folder_;
  unsigned long seed_ = 0;
  std::mt19937_64 draws_;
  std::chrono::milliseconds whole_took_{};
  int kills_ = 0;
};

TEST_F(Kill, AtRandomMomentsATrainingEndsInTheSameBytes) {
  // Lives begin short, so that many end within the start, and grow where they are too short for
  // another checkpoint.
  for (int lives = 1; !ends_after(random_time(whole_took_ * std::max(2, lives / 2) / 4)); ++lives)
    ASSERT_LT(lives, 40);
  EXPECT_GE(kills_, 1);
  expect_same_as_whole();
}

TEST_F(Kill, WhileItWritesACheckpointATrainingEndsInTheSameBytes) {
  // At another moment of the writing each time, and not the one that is left of the life before.
  for (int lives = 0; lives < 6; ++lives) {
    const auto later = std::chrono::microseconds(random_time(std::chrono::milliseconds(20)));
    const auto start = std::chrono::steady_clock::now();
    const bool ended = kill_when([&] {
      const bool is_running = std::chrono::steady_clock::now() - start > whole_took_ / 8;
      if (!is_running || !has_unfinished_checkpoint()) return false;
      std::this_thread::sleep_for(later);
      return true;
    });
    if (ended) break;
  }
  EXPECT_GE(kills_, 1);
  EXPECT_TRUE(kill_when([] { return false; }));
  expect_same_as_whole();
}

}  // namespace
}  // namespace dorabooth::testing::kill_e2e_test
