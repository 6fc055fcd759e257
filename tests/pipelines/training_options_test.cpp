// What the options of optimizer and objective do to a run.
#include <ATen/ATen.h>

#include "pipelines/parts/adapter_trainer.h"
#include "pipelines/parts/tensor_store.h"
#include "src/base/error.h"
#include "tests/pipelines/training_runs.h"

namespace dorabooth::testing::training_options_test {
namespace {

class TrainingOptions : public TrainingTest {
 protected:
  using Change = void (*)(TrainConfig&);

  std::map<std::string, at::Tensor> adapter_after(const std::string& name,
                                                  const TrainConfig& config) {
    train_into(name, config);
    return read_tensors(folder_.path() / name / "pytorch_lora_weights.safetensors");
  }
};

TEST_F(TrainingOptions, EachChangesTheResult) {
  config_.max_train_steps = 2;
  train_into("plain", config_);
  const std::string plain = adapter_bytes("plain");
  const std::pair<const char*, Change> changes[] = {
      {"huber", [](TrainConfig& c) { c.loss_type = "huber"; }},
      {"smooth_l1", [](TrainConfig& c) { c.loss_type = "smooth_l1"; }},
      {"debiased", [](TrainConfig& c) { c.debiased_estimation_loss = true; }},
      {"offset", [](TrainConfig& c) { c.noise_offset = 0.1; }},
      {"perturbation", [](TrainConfig& c) { c.input_perturbation = 0.1; }},
      {"multires", [](TrainConfig& c) { c.multires_noise_iterations = 4; }},
      {"zero_snr", [](TrainConfig& c) { c.rescale_betas_zero_snr = true; }},
      {"logit_normal", [](TrainConfig& c) { c.timestep_distribution = "logit_normal"; }},
      {"max_timestep", [](TrainConfig& c) { c.max_timestep = 200; }},
      {"bias",
       [](TrainConfig& c) {
         c.timestep_bias_strategy = "later";
         c.timestep_bias_multiplier = 50;
       }},
      {"empty", [](TrainConfig& c) { c.proportion_empty_prompts = 1; }},
      {"shuffle",
       [](TrainConfig& c) {
         c.shuffle_caption = true;
         c.caption_separator = " ";
       }},
      {"lion", [](TrainConfig& c) { c.optimizer = "lion"; }},
      {"adafactor", [](TrainConfig& c) { c.optimizer = "adafactor"; }},
      {"schedule_free", [](TrainConfig& c) { c.optimizer = "adamw_schedule_free"; }},
      {"ema", [](TrainConfig& c) { c.use_ema = true; }},
      {"loraplus", [](TrainConfig& c) { c.loraplus_lr_ratio = 16; }},
  };
  for (const auto& [name, change] : changes) {
    TrainConfig config = config_;
    change(config);
    train_into(name, config);
    EXPECT_TRUE(adapter_bytes(name) != plain) << name;
  }
}

TEST_F(TrainingOptions, OneThatExcludesAnotherIsRefused) {
  const std::pair<const char*, Change> refused[] = {
      {"--use_8bit_adam",
       [](TrainConfig& c) {
         c.use_8bit_adam = true;
         c.optimizer = "lion";
       }},
      {"--use_ema",
       [](TrainConfig& c) {
         c.use_ema = true;
         c.optimizer = "adamw_schedule_free";
       }},
      {"--loraplus_lr_ratio",
       [](TrainConfig& c) {
         c.loraplus_lr_ratio = 4;
         c.optimizer = "prodigy";
       }},
      {"--min_timestep 900 must be below --max_timestep 900",
       [](TrainConfig& c) { c.min_timestep = c.max_timestep = 900; }},
      {"GLOB=positive number, got 'unet'",
       [](TrainConfig& c) { c.learning_rate_pattern = {"unet"}; }},
  };
  for (const auto& [words, change] : refused) {
    TrainConfig config = config_;
    change(config);
    EXPECT_NE(message_of([&] { train_into("refused", config); }).find(words), std::string::npos)
        << words;
  }
}

TEST_F(TrainingOptions, ALearningRatePatternReachesItsModulesAlone) {
  config_.max_train_steps = 1;
  const auto plain = adapter_after("plain", config_);
  config_.learning_rate_pattern = {"unet.up_blocks.*=1e-6"};
  const auto slowed = adapter_after("slowed", config_);
  size_t same = 0;
  size_t smaller = 0;
  for (const auto& [name, value] : plain) {
    if (name.find("lora_B") == std::string::npos && name.find("lora.up") == std::string::npos) {
      continue;
    }
    const at::Tensor other = slowed.at(name);
    if (name.find("up_blocks") == std::string::npos) {
      EXPECT_TRUE(at::equal(other, value)) << name;
      ++same;
    } else {
      EXPECT_LT(other.abs().max().item<float>(), 1e-3f * value.abs().max().item<float>()) << name;
      ++smaller;
    }
  }
  EXPECT_GT(same, 0u);
  EXPECT_GT(smaller, 0u);
}

// With (1 + step)/(10 + step) as the decay, B after two steps is 0.9·B₁ and then its mean with B₂.
TEST_F(TrainingOptions, TheMovingAverageIsDiffusers) {
  config_.max_train_steps = 1;
  const auto one = adapter_after("one", config_);
  config_.max_train_steps = 2;
  const auto two = adapter_after("two", config_);
  config_.use_ema = true;
  const auto average = adapter_after("average", config_);
  size_t compared = 0;
  for (const auto& [name, value] : average) {
    if (name.find("lora_B") == std::string::npos && name.find("lora.up") == std::string::npos) {
      continue;
    }
    const double second = 2.0 / 11;
    const at::Tensor expected = second * (0.9 * one.at(name)) + (1 - second) * two.at(name);
    EXPECT_LT((value - expected).abs().max().item<float>(),
              1e-6f + 1e-5f * expected.abs().max().item<float>())
        << name;
    ++compared;
  }
  EXPECT_GT(compared, 0u);
}

}  // namespace
}  // namespace dorabooth::testing::training_options_test
