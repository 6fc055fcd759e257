// A program that is killed in the middle of a run offers at its next start to go on, and ends with
// the same bytes.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "src/base/atomic_file.h"
#include "tests/cli/program.h"
#include "tests/desktop/hand.h"
#include "tests/desktop/program_drive.h"

namespace dorabooth::testing::resume_e2e_test {
namespace {

namespace fs = std::filesystem;

constexpr unsigned long kF5 = 0xffc2;

TrainConfig twin_run(const fs::path& output) {
  TrainConfig config;
  config.pretrained_model_name_or_path = (source_dir() / "assets" / "base").string();
  config.instance_data_dir = (source_dir() / "assets" / "pictures" / "train").string();
  config.instance_prompt = "a sks icon of {caption}";
  config.adapter = {"both"};
  config.resolution = 128;
  config.train_batch_size = 1;
  config.learning_rate = 1e-3;
  config.lr_warmup_steps = 0;
  config.max_train_steps = 60;
  config.checkpointing_steps = 10;
  config.output_dir = output.string();
  return config;
}

class Resume : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!VirtualScreen::available()) GTEST_SKIP() << "Xvfb is not installed: scripts/setup.sh";
    screen_.emplace(1280, 720);
    hand_.emplace(screen_->display());
    if (!hand_->there()) GTEST_SKIP() << "libXtst is not installed (it comes with xdotool)";
  }

  // Starts the shipped program, presses F5, and kills it after the first checkpoint.
  void start_and_kill();

  EmptyHome home_;
  std::optional<VirtualScreen> screen_;
  std::optional<Hand> hand_;
  const fs::path run_ = home_.path() / "run";
};

void Resume::start_and_kill() {
  const fs::path config = home_.path() / ".config" / "dorabooth";
  fs::create_directories(config);
  Project project;
  project.train = twin_run(run_);
  write_file_atomically(config / "project.json", project_to_json(project).dump());
  Program program({"--size", "1280x720"}, binary_dir() / "dorabooth-desktop");
  hand_->move(640, 360);
  // Pressed again until the window is there to take it: a second start is none.
  const bool begun = wait_until(
      [&] {
        hand_->press(kF5);
        return fs::exists(run_);
      },
      program, std::chrono::seconds(60));
  ASSERT_TRUE(begun);
  ASSERT_TRUE(wait_until([&] { return fs::exists(run_ / "checkpoint-10"); }, program,
                         std::chrono::seconds(300)));
  program.send(SIGKILL);
  EXPECT_EQ(program.wait().status, -SIGKILL);
}

TEST_F(Resume, AKilledRunIsOfferedAndEndsWithTheSameBytes) {
  start_and_kill();
  if (HasFatalFailure()) return;
  ASSERT_FALSE(fs::exists(run_ / "lora"));
  DesktopOptions options;
  options.width = 1280;
  options.height = 720;
  run_driven(options, [](ProgramDrive& drive) {
    ASSERT_TRUE(drive.state().project.unfinished_run);
    drive.open(WindowId::kTrain);
    drive.test->ItemClick("**/Continue the run");
    drive.wait_finished(JobId::kTrain, 300);
    // The steps of before are in the curves too.
    EXPECT_EQ(drive.state().train.curves.at("loss/dora").steps.size(), 60u);
    EXPECT_FALSE(drive.state().project.unfinished_run);
  });
  const TrainConfig config = twin_run(home_.path() / "uninterrupted");
  const fs::path file = home_.path() / "uninterrupted.json";
  write_file_atomically(file, train_fields().to_json(&config).dump());
  const Outcome outcome = run({"train", "--config", file.string()});
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  for (const char* adapter : {"lora", "dora"}) {
    const fs::path weights = fs::path(adapter) / "pytorch_lora_weights.safetensors";
    EXPECT_EQ(read_file(run_ / weights), read_file(fs::path(config.output_dir) / weights));
  }
}

}  // namespace
}  // namespace dorabooth::testing::resume_e2e_test
