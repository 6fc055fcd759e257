// A run's event files as the tensorboard package reads them: scalars, pictures, and what a resume
// takes back. DORABOOTH_PEERS_PYTHON names the Python interpreter that has the package.
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>

#include "src/base/error.h"
#include "tests/pipelines/training_runs.h"

namespace dorabooth::testing::training_tensorboard_peers_test {
namespace {

constexpr int kPackageMissing = 77;

class TensorboardPeers : public TrainingTest {
 protected:
  void SetUp() override {
    if (!std::getenv("DORABOOTH_PEERS_PYTHON")) {
      GTEST_SKIP() << "DORABOOTH_PEERS_PYTHON names no Python interpreter";
    }
    config_.adapter = {"both"};
    config_.report_to = "tensorboard";
    config_.validation_prompt = {"a sks icon of rabbit", "a pie"};
    config_.num_validation_images = 2;
    config_.validation_steps = 2;
    config_.validation_inference_steps = 1;
    config_.checkpointing_steps = 2;
    config_.validation_split = 0.3;
    config_.max_train_steps = 5;
  }

  void expect_read(const std::string& run) {
    const std::string command =
        concat("'", std::getenv("DORABOOTH_PEERS_PYTHON"), "' '",
               (source_dir() / "scripts/peers/check_tensorboard.py").string(), "' '",
               (folder_.path() / run).string(), "' 2>&1");
    FILE* pipe = popen(command.c_str(), "r");
    ASSERT_NE(pipe, nullptr);
    std::string output;
    std::array<char, 4096> buffer;
    while (const size_t count = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
      output.append(buffer.data(), count);
    }
    const int status = WEXITSTATUS(pclose(pipe));
    if (status == kPackageMissing) GTEST_SKIP() << output;
    EXPECT_EQ(status, 0) << output;
  }

  void remove(const std::string& name) { fs::remove_all(folder_.path() / "out" / name); }
};

TEST_F(TensorboardPeers, ReadsEveryScalarAndPicture) {
  train_into("out", config_);
  expect_read("out");
}

// The later steps of the first file are of an attempt that is forgotten.
// The first file's steps after 2 are of an attempt that is forgotten; the second attempt ends
// earlier, so that nothing of it stands in the place of the last.
TEST_F(TensorboardPeers, ForgetsTheStepsThatAResumeTakesBack) {
  train_into("out", config_);
  for (const char* name : {"checkpoint-4", "checkpoint-5", "samples/step-4", "samples/step-5",
                           "samples/step-4.png", "samples/step-5.png"}) {
    remove(name);
  }
  config_.resume_from_checkpoint = "latest";
  config_.max_train_steps = 4;
  train_into("out", config_);
  expect_read("out");
}

TEST_F(TensorboardPeers, ReadsPastARecordThatAKillCutOff) {
  train_into("out", config_, 3);
  for (const auto& entry : fs::directory_iterator(folder_.path() / "out/logs")) {
    fs::resize_file(entry.path(), entry.file_size() - 7);
  }
  remove("checkpoint-3");
  config_.resume_from_checkpoint = "latest";
  train_into("out", config_);
  expect_read("out");
}

TEST_F(TensorboardPeers, AnotherRunInTheSameFolderTakesThePlaceOfTheFirst) {
  train_into("out", config_);
  remove("samples");
  config_.max_train_steps = 3;
  config_.seed = 1;
  train_into("out", config_);
  expect_read("out");
}

}  // namespace
}  // namespace dorabooth::testing::training_tensorboard_peers_test
