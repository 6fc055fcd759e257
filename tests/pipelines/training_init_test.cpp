// --init_adapter: a run begins as the file, in whatever kind and scale.
#include <ATen/ATen.h>

#include "pipelines/parts/tensor_store.h"
#include "src/adapter/adapter_file.h"
#include "src/base/error.h"
#include "tests/pipelines/training_runs.h"

namespace dorabooth::testing::training_init_test {
namespace {

class TrainingInit : public TrainingTest {
 protected:
  using Tensors = std::map<std::string, at::Tensor>;

  fs::path file_of(const std::string& name) const {
    return folder_.path() / name / "pytorch_lora_weights.safetensors";
  }

  Tensors trained(const std::string& name, const TrainConfig& config) {
    train_into(name, config);
    return read_tensors(file_of(name));
  }

  // A run that changes nothing: what it writes is what it began as.
  Tensors beginning(const std::string& name, TrainConfig config) {
    config.init_adapter = file_of("first").string();
    config.learning_rate = 0;
    config.adam_weight_decay = 0;
    config.max_train_steps = 1;
    return trained(name, config);
  }
};

TEST_F(TrainingInit, BeginsAsTheFileByteForByte) {
  for (const bool dora : {false, true}) {
    config_.use_dora = dora;
    const auto first = trained("first", config_);
    const auto again = beginning("again", config_);
    ASSERT_EQ(first.size(), again.size());
    for (const auto& [name, value] : first) {
      EXPECT_TRUE(at::equal(again.at(name), value)) << name;
    }
    fs::remove_all(folder_.path() / "first");
    fs::remove_all(folder_.path() / "again");
  }
}

TEST_F(TrainingInit, AnotherScaleIsPutIntoB) {
  config_.lora_alpha = 8;
  const auto first = trained("first", config_);
  config_.lora_alpha = 2;
  // A diffusers file holds B times the scale: the same function gives the same file.
  const auto again = beginning("again", config_);
  for (const auto& [name, value] : first) {
    EXPECT_TRUE(at::allclose(again.at(name), value, 1e-6, 1e-9)) << name;
  }
}

TEST_F(TrainingInit, ADoraMayBeginAsALora) {
  config_.max_train_steps = 3;
  trained("first", config_);
  TrainConfig lora = config_;
  beginning("as_lora", lora);
  TrainConfig dora = config_;
  dora.use_dora = true;
  const auto magnitudes = beginning("as_dora", dora);
  size_t found = 0;
  for (const auto& [name, value] : magnitudes) found += name.find("magnitude") != name.npos ? 1 : 0;
  EXPECT_GT(found, 0u);
  const double loss = metrics("as_lora").at(0)["loss"]["lora"];
  EXPECT_NEAR(metrics("as_dora").at(0)["loss"]["dora"], loss, 1e-5 * loss);
}

TEST_F(TrainingInit, WhatDoesNotFitIsNamed) {
  config_.use_dora = true;
  trained("first", config_);
  const auto refusal = [&](TrainConfig config) {
    config.init_adapter = file_of("first").string();
    return message_of([&] { train_into("refused", config); });
  };
  TrainConfig changed = config_;
  changed.use_dora = false;
  EXPECT_NE(refusal(changed).find("train a DoRA"), std::string::npos) << refusal(changed);
  changed = config_;
  changed.rank = 3;
  EXPECT_NE(refusal(changed).find("--rank 2"), std::string::npos) << refusal(changed);
  changed = config_;
  changed.target_modules = {"to_q"};
  EXPECT_NE(refusal(changed).find("none of this run's modules"), std::string::npos);
  changed = config_;
  changed.target_modules = {"to_q", "to_k", "to_v", "to_out.0", "ff.net.2"};
  EXPECT_NE(refusal(changed).find("has nothing for"), std::string::npos) << refusal(changed);
  changed = config_;
  changed.dora_norm_axis = "input";
  EXPECT_NE(refusal(changed).find("--dora_norm_axis output"), std::string::npos);
  changed.init_adapter = "/nowhere.safetensors";
  EXPECT_NE(message_of([&] { train_into("refused", changed); }).find("/nowhere.safetensors"),
            std::string::npos);
}

}  // namespace
}  // namespace dorabooth::testing::training_init_test
