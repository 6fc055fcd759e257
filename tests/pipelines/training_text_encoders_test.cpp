// Which text encoders train, and for how long.
#include <ATen/ATen.h>

#include "pipelines/parts/tensor_store.h"
#include "src/base/error.h"
#include "src/tensorfile/safetensors.h"
#include "tests/pipelines/training_runs.h"

namespace dorabooth::testing::training_text_encoders_test {
namespace {

class TrainingTextEncoders : public TrainingTest {
 protected:
  TrainingTextEncoders() { config_.train_text_encoder = true; }

  std::set<std::string> components(const std::string& run) const {
    std::set<std::string> names;
    const SafetensorsFile file(folder_.path() / run / "pytorch_lora_weights.safetensors");
    for (const TensorEntry& entry : file.entries())
      names.insert(entry.name.substr(0, entry.name.find('.')));
    return names;
  }

  // Runs of 4 steps whose text encoders stop after 2, stopped after each of `steps` and resumed.
  void expect_resumed_equals_whole(const std::vector<int64_t>& steps) {
    config_.train_text_encoder_frac = 0.5;
    train_into("whole", config_);
    for (const int64_t step : steps) {
      SCOPED_TRACE(step);
      train_into("parts", config_, step);
      TrainConfig again = config_;
      again.resume_from_checkpoint = "latest";
      train_into("parts", again);
      EXPECT_EQ(warnings(), std::vector<std::string>());
      EXPECT_TRUE(adapter_bytes("whole") == adapter_bytes("parts"));
      EXPECT_EQ(metrics("whole"), metrics("parts"));
      fs::remove_all(folder_.path() / "parts");
    }
  }

  // What of a checkpoint's state belongs to the text encoders: parameters, and the end of each flat
  // buffer of the optimizer, where they lie.
  std::map<std::string, at::Tensor> text_state(const std::string& checkpoint) const {
    const auto state = read_tensors(folder_.path() / checkpoint / "state-lora.safetensors");
    int64_t slots = 0;
    std::map<std::string, at::Tensor> result;
    for (const auto& [name, value] : state) {
      if (!name.starts_with("parameter/text_encoder")) continue;
      result[name] = value;
      ++slots;
    }
    const at::Tensor layout = state.at("optimizer/layout");
    const int64_t first = layout[layout.size(0) - slots][0].item<int64_t>();
    for (const char* buffer : {"optimizer/exp_avg", "optimizer/exp_avg_sq"})
      result[buffer] = state.at(buffer).slice(0, first);
    result["steps"] = state.at("optimizer/steps").slice(0, layout.size(0) - slots);
    return result;
  }
};

TEST_F(TrainingTextEncoders, OneOfThemAlone) {
  config_.max_train_steps = 1;
  config_.text_encoders = "first";
  train_into("first", config_);
  EXPECT_EQ(components("first"), (std::set<std::string>{"unet", "text_encoder"}));
  config_.text_encoders = "second";
  train_into("second", config_);
  EXPECT_EQ(components("second"), (std::set<std::string>{"unet", "text_encoder_2"}));
  config_.text_encoders = "both";
  train_into("both", config_);
  EXPECT_EQ(components("both").size(), 3u);
  config_.text_encoders.reset();
  train_into("unsaid", config_);
  EXPECT_TRUE(adapter_bytes("unsaid") == adapter_bytes("both"));
}

TEST_F(TrainingTextEncoders, NothingOfThemChangesAfterTheirShareOfTheSteps) {
  config_.train_text_encoder_frac = 0.5;
  config_.checkpointing_steps = 1;
  config_.lora_dropout = 0.2;
  train_into("out", config_);
  const auto before = text_state("out/checkpoint-1");
  const auto stopped = text_state("out/checkpoint-2");
  const auto later = text_state("out/checkpoint-4");
  ASSERT_GT(stopped.size(), 4u);
  size_t moved = 0;
  for (const auto& [name, value] : stopped) {
    EXPECT_TRUE(at::equal(value, later.at(name))) << name;
    if (!at::equal(value, before.at(name))) ++moved;
  }
  EXPECT_GT(moved, 4u);
  EXPECT_FALSE(bytes("out/checkpoint-2/pytorch_lora_weights.safetensors") == adapter_bytes("out"));
}

TEST_F(TrainingTextEncoders, AResumedRunEndsInTheSameBytes) {
  config_.adapter = {"dora"};
  expect_resumed_equals_whole({1, 2, 3});
}

TEST_F(TrainingTextEncoders, AlsoWithAMovingAverageAndCaptionsThatAreNotKept) {
  config_.use_ema = true;
  config_.instance_prompt = "{caption}, a sks icon, flat, bright";
  config_.shuffle_caption = true;
  config_.lora_dropout = 0.2;
  expect_resumed_equals_whole({3});
}

TEST_F(TrainingTextEncoders, AnotherNumberOfStepsMovesTheStop) {
  config_.train_text_encoder_frac = 0.5;
  train_into("out", config_);
  config_.resume_from_checkpoint = "latest";
  config_.max_train_steps = 8;
  train_into("out", config_);
  ASSERT_EQ(warnings().size(), 1u);
  EXPECT_NE(warnings()[0].find("to train for 2 steps and are now to train for 4"),
            std::string::npos);
}

TEST_F(TrainingTextEncoders, OptionsWithoutTheirSwitchAreRefused) {
  config_.train_text_encoder = false;
  config_.text_encoders = "first";
  EXPECT_NE(message_of([&] { train_into("out", config_); }).find("text_encoders is for"),
            std::string::npos);
  config_.text_encoders.reset();
  config_.train_text_encoder_frac = 0.5;
  EXPECT_NE(message_of([&] { train_into("out", config_); }).find("_frac is for"),
            std::string::npos);
}

}  // namespace
}  // namespace dorabooth::testing::training_text_encoders_test
