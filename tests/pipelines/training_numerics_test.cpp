// The same training by other ways of computing: recomputed blocks, the CUDA core's emulation, a
// base in half precision, and the meta device, where a tensor made on the CPU is an error.
#include <ATen/ATen.h>

#include <cmath>
#include <span>

#include "kernels/emulation/emulated_core.h"
#include "pipelines/parts/denoising_loss.h"
#include "src/device/adapter_core_choice.h"
#include "src/optimizer/optimizer.h"
#include "src/scheduler/noise_schedule.h"
#include "src/tensorfile/safetensors.h"
#include "tests/nn/meta_kernels.h"
#include "tests/pipelines/training_runs.h"

namespace dorabooth::testing::training_numerics_test {
namespace {

class TrainingNumerics : public TrainingTest {
 protected:
  TrainingNumerics() {
    config_.adapter = {"both"};
    config_.max_train_steps = 3;
    config_.max_grad_norm = 0.0;
  }

  // ‖a - b‖ / ‖b - start‖ over all numbers of the adapters trained into two folders; B = 0 and
  // A = N(0, 1/r²) at the start.
  double relative_difference(const std::string& a, const std::string& b, const std::string& kind) {
    const SafetensorsFile one(folder_.path() / a / kind / "pytorch_lora_weights.safetensors");
    const SafetensorsFile other(folder_.path() / b / kind / "pytorch_lora_weights.safetensors");
    EXPECT_EQ(one.entries().size(), other.entries().size());
    double difference = 0.0;
    double size = 0.0;
    for (const TensorEntry& entry : one.entries()) {
      if (entry.name.find("lora.up") == std::string::npos) continue;
      const auto x = values(one, entry);
      const auto y = values(other, other.at(entry.name));
      for (size_t i = 0; i < x.size(); ++i) {
        difference += (x[i] - y[i]) * (x[i] - y[i]);
        size += y[i] * y[i];
      }
    }
    EXPECT_GT(size, 0.0);
    return std::sqrt(difference / size);
  }

  void expect_losses_near(const std::string& a, const std::string& b, double relative) {
    const auto one = metrics(a);
    const auto other = metrics(b);
    ASSERT_EQ(one.size(), other.size());
    for (size_t i = 0; i < one.size(); ++i) {
      for (const char* kind : {"lora", "dora"}) {
        const double want = other[i]["loss"][kind];
        EXPECT_NEAR(one[i]["loss"][kind], want, relative * want) << kind << " step " << i + 1;
      }
    }
  }

 private:
  static std::vector<double> values(const SafetensorsFile& file, const TensorEntry& entry) {
    EXPECT_EQ(entry.dtype, DType::kF32) << entry.name;
    std::vector<float> numbers(static_cast<size_t>(entry.numel()));
    file.read(entry, 0, std::as_writable_bytes(std::span(numbers)));
    return {numbers.begin(), numbers.end()};
  }
};

TEST_F(TrainingNumerics, GradientCheckpointingGivesTheSameAdapters) {
  config_.train_text_encoder = true;
  config_.lora_dropout = 0.1;
  train_into("plain", config_);
  config_.gradient_checkpointing = true;
  train_into("recomputed", config_);
  for (const char* kind : {"lora", "dora"}) {
    EXPECT_LT(relative_difference("recomputed", "plain", kind), 1e-4) << kind;
  }
  expect_losses_near("recomputed", "plain", 1e-6);
}

TEST_F(TrainingNumerics, TheEmulatedCudaCoreTrainsTheSameAdapters) {
  config_.target_modules = {"mid_block.*.to_q", "mid_block.*.to_out.0"};
  config_.max_train_steps = 2;
  config_.lora_dropout = 0.1;
  train_into("cpu", config_);
  {
    const AdapterCoreScope scope(emulated_core());
    train_into("emulated", config_);
  }
  for (const char* kind : {"lora", "dora"}) {
    EXPECT_LT(relative_difference("emulated", "cpu", kind), 2e-3) << kind;
  }
  expect_losses_near("emulated", "cpu", 1e-5);
}

TEST_F(TrainingNumerics, ABaseInHalfPrecisionTrainsFp32Adapters) {
  train_into("fp32", config_);
  for (const char* dtype : {"bf16", "fp16"}) {
    config_.mixed_precision = dtype;
    train_into(dtype, config_);
    expect_losses_near(dtype, "fp32", dtype == std::string("bf16") ? 3e-2 : 5e-3);
    // Adam's first steps have the gradient's sign, which rounding turns where it is near zero.
    for (const char* kind : {"lora", "dora"}) {
      EXPECT_LT(relative_difference(dtype, "fp32", kind), 0.6) << dtype << " " << kind;
    }
  }
}

TEST_F(TrainingNumerics, AStepRunsOnTheMetaDevice) {
  const SdxlBundle bundle = load_bundle(base_path(), LoadOptions{});
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const auto options = at::TensorOptions().device(at::kMeta).dtype(dtype);
    const UNetConfig& config = bundle.unet->config();
    const auto unet = std::make_shared<UNet>(config, options);
    LinearLayers layers;
    for (const auto& module : unet->named_modules()) {
      if (auto* linear = dynamic_cast<nn::Linear*>(module.value().get())) {
        layers.emplace_back("unet." + module.key(), linear);
      }
    }
    const Ddpm schedule(config_for_class(bundle.scheduler, "DDPMScheduler"));
    ObjectiveConfig objective;
    objective.snr_gamma = 5.0;
    TrainingBatch batch;
    batch.latents = at::randn({2, config.in_channels, 8, 8});
    batch.noise = at::randn_like(batch.latents);
    batch.timesteps = at::tensor({1, 999}, at::kLong);
    batch.time_ids = at::zeros({2, 6});
    batch.instance_rows = 1;
    const PromptEmbeds embeds{at::empty({2, 7, config.cross_attention_dim}, options),
                              at::empty({2, config.pooled_features()}, options)};
    for (const char* kind : {"lora", "dora"}) {
      AdapterSpec spec;
      spec.kind = kind;
      spec.dropout = 0.1;
      spec.target_modules = default_target_modules(false);
      AdapterSet set = AdapterSet::create(spec, layers, 0, adapter_core(at::kMeta));
      ParameterGroup group;
      for (const AdapterParameter& parameter : set.parameters()) {
        group.parameters.emplace_back(parameter.name, parameter.value);
      }
      const auto optimizer = make_adamw({group}, {});
      set.on_parameters_changed();
      set.set_training(true, 0, 0);
      const AttachScope scope = set.attach();
      const at::Tensor loss = denoising_loss(*unet, schedule, batch, embeds, objective);
      EXPECT_TRUE(loss.is_meta());
      loss.backward();
      for (const AdapterParameter& parameter : set.parameters()) {
        EXPECT_TRUE(parameter.value.is_meta());
        EXPECT_TRUE(parameter.value.grad().is_meta()) << parameter.name;
      }
      optimizer->zero_grad();
    }
  }
}

}  // namespace
}  // namespace dorabooth::testing::training_numerics_test
