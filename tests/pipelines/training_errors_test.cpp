// What goes wrong in a run is said in one sentence, before the start where that is possible.
#include <fstream>

#include "datasets/image_folder.h"
#include "pipelines/parts/divergence_watch.h"
#include "src/base/error.h"
#include "tests/pipelines/training_runs.h"

namespace dorabooth::testing::training_errors_test {
namespace {

class TrainingErrors : public TrainingTest {
 protected:
  std::string error() {
    return message_of([&] { train_into("out", config_); });
  }
  void expect_error(const std::string& part) {
    const std::string message = error();
    EXPECT_NE(message.find(part), std::string::npos) << message;
    EXPECT_FALSE(fs::exists(out() / "metrics.jsonl"));
  }
};

TEST_F(TrainingErrors, NoFolderAndAnEmptyFolderAreNamed) {
  config_.instance_data_dir = (folder_.path() / "absent").string();
  expect_error("no such folder: " + config_.instance_data_dir);
  fs::create_directories(config_.instance_data_dir);
  expect_error("no picture in " + config_.instance_data_dir);
}

TEST_F(TrainingErrors, BrokenPicturesAreNamedBeforeTraining) {
  const fs::path folder = config_.instance_data_dir;
  const std::string name = list_pictures(folder).at(0).filename().string();
  fs::resize_file(folder / name, 100);
  const std::string message = error();
  EXPECT_NE(message.find("1 of 4 pictures cannot be used"), std::string::npos) << message;
  EXPECT_NE(message.find(name), std::string::npos) << message;
  EXPECT_FALSE(fs::exists(out()));
}

TEST_F(TrainingErrors, APictureWithoutACaptionIsNamed) {
  config_.instance_prompt.reset();
  fs::remove(fs::path(config_.instance_data_dir) / "metadata.jsonl");
  expect_error("has no caption");
}

TEST_F(TrainingErrors, MissingFlagsAreUsageErrors) {
  const auto usage = [&](const std::string& part) {
    try {
      train_into("out", config_);
      ADD_FAILURE() << "no error about " << part;
    } catch (const UsageError& error) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  };
  const TrainConfig good = config_;
  config_.pretrained_model_name_or_path.clear();
  usage("--pretrained_model_name_or_path is missing");
  config_ = good;
  config_.instance_data_dir.clear();
  usage("--instance_data_dir is missing");
  config_ = good;
  config_.with_prior_preservation = true;
  usage("--class_data_dir");
  config_.class_data_dir = (folder_.path() / "class").string();
  usage("--class_prompt");
  config_.class_prompt = "an icon";
  config_.class_data_dir = config_.instance_data_dir + "/.";
  usage("are the same folder");
  config_ = good;
  config_.resolution = 68;
  usage("--resolution: want a multiple of 8, got 68");
  config_ = good;
  config_.adapter = {"lokr"};
  usage("lokr");
}

TEST_F(TrainingErrors, TargetsThatMatchNothingAreNamed) {
  config_.target_modules = {"to_z"};
  expect_error("to_z");
}

TEST_F(TrainingErrors, TextEncodersThatNoTargetNamesAreAWarning) {
  config_.train_text_encoder = true;
  config_.target_modules = {"to_q"};
  config_.max_train_steps = 1;
  train_into("out", config_);
  ASSERT_EQ(warnings().size(), 1u);
  EXPECT_NE(warnings()[0].find("train_text_encoder"), std::string::npos);
}

TEST_F(TrainingErrors, AnOutputThatCannotBeMadeIsNamed) {
  std::ofstream(folder_.path() / "out") << "a file";
  const std::string message = error();
  EXPECT_NE(message.find("cannot create " + out().string()), std::string::npos) << message;
}

TEST_F(TrainingErrors, AStopBeforeTheFirstStepIsClean) {
  TrainingRecorder recorder;
  recorder.stop.request_stop();
  config_.output_dir = out().string();
  const TrainReport report = train(config_, recorder, recorder.stop.get_token());
  EXPECT_TRUE(report.stopped);
  EXPECT_EQ(report.steps, 0);
  EXPECT_FALSE(fs::exists(out() / "metrics.jsonl"));
}

// Steps of a thousand overflow fp16 at once.
TEST_F(TrainingErrors, ALossThatIsNotANumberEndsTheRunAndKeepsTheCheckpoint) {
  config_.mixed_precision = "fp16";
  config_.checkpointing_steps = 1;
  config_.learning_rate = 1e-5;
  config_.max_train_steps = 2;
  train_into("out", config_, 1);
  const fs::path state = out() / "checkpoint-1/training_state.json";
  nlohmann::json text = nlohmann::json::parse(read_file(state));
  text["config"]["learning_rate"] = 1000.0;
  write_file_atomically(state, text.dump());
  config_.learning_rate = 1000.0;
  config_.max_train_steps = 20;
  config_.checkpointing_steps = 100;
  config_.resume_from_checkpoint = "latest";
  const std::string message = error();
  EXPECT_NE(message.find("the loss of lora is "), std::string::npos) << message;
  EXPECT_NE(message.find(" in step "), std::string::npos) << message;
  EXPECT_NE(message.find((out() / "checkpoint-1").string() + " is kept"), std::string::npos);
  EXPECT_TRUE(fs::exists(state));
}

// The quick start's rate, times a hundred.
TEST_F(TrainingErrors, ALearningRateAHundredTimesTooHighIsSaid) {
  config_.learning_rate = 2e-3;
  config_.max_train_steps = 24;
  EXPECT_FALSE(train_into("good", config_).diverged);
  EXPECT_EQ(warnings(), std::vector<std::string>());
  config_.learning_rate *= 100;
  config_.resolution = 128;  // the base's own, where its loss is low
  config_.train_batch_size = 2;
  EXPECT_TRUE(train_into("out", config_).diverged);
  ASSERT_EQ(warnings().size(), 1u);
  EXPECT_NE(warnings()[0].find("has been over ten times its start for 20 steps"),
            std::string::npos);
  EXPECT_NE(warnings()[0].find("the learning rate 0.2 is too high"), std::string::npos);
}

TEST(DivergenceWatch, SpeaksOnceWhenTwentyStepsAreOverTenTimesTheStart) {
  DivergenceWatch watch(0.1);
  for (int i = 0; i < 30; ++i) EXPECT_FALSE(watch.add(0.9));
  int spoken = 0;
  for (int i = 0; i < 19; ++i) spoken += watch.add(1.05);
  for (int i = 0; i < 30; ++i) spoken += watch.add(1.05);
  EXPECT_EQ(spoken, 1);
  EXPECT_TRUE(watch.diverged());
}

TEST(DivergenceWatch, SingleHighStepsAreNotEnough) {
  DivergenceWatch watch(0.1);
  for (int i = 0; i < 200; ++i) EXPECT_FALSE(watch.add(i % 20 == 0 ? 9.0 : 0.2));
}

}  // namespace
}  // namespace dorabooth::testing::training_errors_test
