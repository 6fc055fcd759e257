// Training with modules that get a magnitude alone.
#include "tests/pipelines/training_runs.h"

namespace dorabooth::testing::training_magnitude_test {
namespace {

TEST_F(TrainingTest, MagnitudeOnlyModulesTrainBesideTheOthersAndResume) {
  config_.adapter = {"both"};
  config_.magnitude_only_modules = {"ff.net.2"};
  train_into("twin", config_);
  config_.adapter = {"dora"};
  train_into("whole", config_);
  EXPECT_EQ(bytes("twin/dora/pytorch_lora_weights.safetensors"), adapter_bytes("whole"));
  train_into("parts", config_, 2);
  config_.resume_from_checkpoint = "latest";
  train_into("parts", config_);
  EXPECT_EQ(adapter_bytes("parts"), adapter_bytes("whole"));

  const SdxlBundle bundle = load_bundle(base_path(), LoadOptions());
  const AdapterFile file = read_adapter_file(folder_.path() / "whole", bundle.linear_layers());
  int64_t alone = 0;
  for (const auto& [module, own] : file.modules) {
    ASSERT_EQ(own.a.size(0) == 0, module.ends_with("ff.net.2")) << module;
    if (own.a.size(0) > 0) continue;
    ++alone;
    const auto layers = bundle.linear_layers();
    const auto layer = std::find_if(layers.begin(), layers.end(),
                                    [&](const auto& item) { return item.first == module; });
    EXPECT_FALSE(at::equal(own.m, layer->second->weight()->row_norm2().sqrt())) << module;
  }
  EXPECT_GT(alone, 0);
}

TEST_F(TrainingTest, MagnitudeOnlyModulesOfALoraAreRefused) {
  config_.adapter = {"lora"};
  config_.magnitude_only_modules = {"ff.net.2"};
  const std::string message = message_of([&] { train_into("lora", config_); });
  EXPECT_NE(message.find("--magnitude_only_modules"), std::string::npos) << message;
}

}  // namespace
}  // namespace dorabooth::testing::training_magnitude_test
