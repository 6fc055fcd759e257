// Checkpoints are whole or absent, and nothing that goes wrong loses an earlier one.
#include <sys/resource.h>

#include <csignal>

#include "src/base/error.h"
#include "tests/pipelines/training_runs.h"

namespace dorabooth::testing::training_checkpoint_test {
namespace {

using Names = std::vector<std::string>;

class TrainingCheckpoint : public TrainingTest {};

// While it lives no file can grow beyond a size, as on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int);
};

TEST_F(TrainingCheckpoint, HoldsEachAdapterItsStateAndTheRun) {
  config_.adapter = {"both"};
  config_.checkpointing_steps = 2;
  const TrainReport report = train_into("out", config_);
  EXPECT_EQ(checkpoints("out"), (Names{"checkpoint-2", "checkpoint-4"}));
  EXPECT_EQ(report.checkpoint, (out() / "checkpoint-4").string());
  for (const char* file :
       {"lora/pytorch_lora_weights.safetensors", "state-lora.safetensors",
        "dora/pytorch_lora_weights.safetensors", "state-dora.safetensors", "training_state.json"}) {
    EXPECT_TRUE(fs::exists(out() / "checkpoint-2" / file)) << file;
  }
  EXPECT_EQ(adapter_bytes("out/checkpoint-4/dora"), adapter_bytes("out/dora"));
}

TEST_F(TrainingCheckpoint, OneAdapterNeedsNoFolderOfItsOwn) {
  config_.max_train_steps = 1;
  train_into("out", config_);
  EXPECT_EQ(adapter_bytes("out/checkpoint-1"), adapter_bytes("out"));
}

TEST_F(TrainingCheckpoint, OlderOnesBeyondTheLimitGo) {
  config_.checkpointing_steps = 1;
  config_.checkpoints_total_limit = 2;
  train_into("out", config_);
  EXPECT_EQ(checkpoints("out"), (Names{"checkpoint-3", "checkpoint-4"}));
}

TEST_F(TrainingCheckpoint, LaterOnesOfAnEarlierRunAreNamedAndStay) {
  train_into("out", config_);
  config_.max_train_steps = 2;
  config_.checkpointing_steps = 1;
  config_.checkpoints_total_limit = 1;
  train_into("out", config_);
  EXPECT_EQ(checkpoints("out"), (Names{"checkpoint-2", "checkpoint-4"}));
  ASSERT_EQ(warnings().size(), 1u);
  EXPECT_NE(warnings()[0].find("later checkpoints of an earlier run: checkpoint-4"),
            std::string::npos);
}

TEST_F(TrainingCheckpoint, WhatAKilledRunLeftIsClearedAtTheNextStart) {
  config_.checkpointing_steps = 2;
  train_into("out", config_, 2);
  // Killed while it wrote one checkpoint, and between the two renames that replace another.
  fs::create_directories(out() / "checkpoint-3.tmp/lora");
  write_file_atomically(out() / "checkpoint-3.tmp/training_state.json", "{");
  fs::rename(out() / "checkpoint-2", out() / "checkpoint-2.old123");
  config_.resume_from_checkpoint = "latest";
  EXPECT_EQ(train_into("out", config_).steps, 4);
  EXPECT_EQ(checkpoints("out"), (Names{"checkpoint-2", "checkpoint-4"}));
  EXPECT_EQ(metrics("out").size(), 4u);
}

TEST_F(TrainingCheckpoint, AStopWhileOneIsWrittenLeavesOnlyWholeOnes) {
  config_.checkpointing_steps = 1;
  train_into("out", config_, 2);
  for (const std::string& name : checkpoints("out")) {
    EXPECT_EQ(name.find(".tmp"), std::string::npos);
    EXPECT_TRUE(fs::exists(out() / name / "training_state.json"));
  }
  EXPECT_EQ(checkpoints("out"), (Names{"checkpoint-1", "checkpoint-2"}));
}

TEST_F(TrainingCheckpoint, AFullDiskLosesNoEarlierOne) {
  config_.checkpointing_steps = 2;
  train_into("out", config_, 2);
  const std::string before = adapter_bytes("out/checkpoint-2");
  config_.resume_from_checkpoint = "latest";
  config_.checkpoints_total_limit = 1;
  std::string message;
  {
    const FileSizeLimit limit(20000);
    message = message_of([&] { train_into("out", config_); });
  }
  EXPECT_NE(message.find("cannot write " + (out() / "checkpoint-4").string()), std::string::npos)
      << message;
  EXPECT_NE(message.find("File too large"), std::string::npos) << message;
  EXPECT_NE(message.find((out() / "checkpoint-2").string() + " is kept"), std::string::npos);
  EXPECT_EQ(checkpoints("out"), Names{"checkpoint-2"});
  EXPECT_EQ(adapter_bytes("out/checkpoint-2"), before);
  EXPECT_EQ(train_into("out", config_).steps, 4);
}

TEST_F(TrainingCheckpoint, ABlockedNameLosesNoEarlierOne) {
  config_.checkpointing_steps = 1;
  config_.max_train_steps = 3;
  fs::create_directories(out());
  write_file_atomically(out() / "checkpoint-3", "a file where a folder should be");
  const std::string message = message_of([&] { train_into("out", config_); });
  EXPECT_NE(message.find("cannot write " + (out() / "checkpoint-3").string()), std::string::npos)
      << message;
  EXPECT_TRUE(fs::exists(out() / "checkpoint-2/training_state.json"));
}

TEST_F(TrainingCheckpoint, TooLittleRoomIsSaidBeforeTheStart) {
  config_.checkpointing_steps = 1;
  config_.max_train_steps = 1000000000;
  const std::string message = message_of([&] { train_into("out", config_); });
  EXPECT_NE(message.find("checkpoints of this run needs"), std::string::npos) << message;
  EXPECT_NE(message.find("are free there"), std::string::npos) << message;
  EXPECT_FALSE(fs::exists(out() / "metrics.jsonl"));
}

}  // namespace
}  // namespace dorabooth::testing::training_checkpoint_test
