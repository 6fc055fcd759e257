// Weights that train in the place of a model's own: their gradients against finite differences in
// fp64, the step against AdamW's formula, and the model as it was afterwards.
#include "pipelines/parts/full_weights.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "pipelines/parts/adapter_trainer.h"
#include "src/base/error.h"
#include "tests/pipelines/example_base.h"
#include "tests/support/fixtures.h"

namespace dorabooth::testing::full_weights_test {
namespace {

class FullWeightsTest : public ::testing::Test {
 protected:
  void load(at::ScalarType dtype) {
    LoadOptions options;
    options.dtype = dtype;
    bundle_ = load_bundle(base_path(), options);
    const at::TensorOptions numbers = at::TensorOptions().dtype(dtype);
    at::manual_seed(3);
    const UNetConfig& config = bundle_.unet->config();
    inputs_.sample = at::randn({2, config.in_channels, 8, 8}, numbers);
    inputs_.timesteps = at::tensor({700, 40});
    inputs_.encoder_hidden_states = at::randn({2, 7, config.cross_attention_dim}, numbers);
    inputs_.text_embeds = at::randn({2, config.pooled_features()}, numbers);
    inputs_.time_ids = at::tensor({64., 64., 0., 0., 64., 64.}).repeat({2, 1});
    target_ = at::randn({2, config.out_channels, 8, 8}, numbers);
  }

  std::unique_ptr<FullWeights> weights(const std::vector<std::string>& targets) const {
    AdapterSpec spec;
    spec.kind = "full";
    spec.target_modules = targets;
    return std::make_unique<FullWeights>(spec, bundle_, Checkpoint::open(base_path()),
                                         std::vector<Component>{Component::kUNet});
  }

  at::Tensor loss() const { return (bundle_.unet->forward(inputs_) - target_).square().mean(); }

  at::Tensor loss_with(const FullWeights& full) const {
    const FullWeightScope scope = full.attach();
    return loss();
  }

  // Gradients by name.
  std::map<std::string, at::Tensor> gradients(const FullWeights& full) const {
    const FullWeightScope scope = full.attach();
    loss().backward();
    std::map<std::string, at::Tensor> result;
    for (const AdapterParameter& parameter : full.parameters()) {
      result[parameter.name] = parameter.value.grad().clone();
      parameter.value.mutable_grad().reset();
    }
    return result;
  }

  SdxlBundle bundle_;
  UNetInputs inputs_;
  at::Tensor target_;
};

// What kinds of parameters there are, by the ends of their names.
const std::vector<std::string> kKinds = {"conv_in.weight",
                                         "conv_in.bias",
                                         "time_embedding.linear_1.weight",
                                         "add_embedding.linear_2.bias",
                                         "resnets.0.norm1.weight",
                                         "resnets.0.norm2.bias",
                                         "resnets.0.conv2.weight",
                                         "resnets.0.time_emb_proj.weight",
                                         "conv_shortcut.weight",
                                         "downsamplers.0.conv.weight",
                                         "attentions.0.norm.weight",
                                         "attentions.0.proj_in.bias",
                                         "transformer_blocks.0.norm2.weight",
                                         "attn1.to_q.weight",
                                         "attn2.to_k.weight",
                                         "attn2.to_out.0.bias",
                                         "ff.net.0.proj.weight",
                                         "upsamplers.0.conv.bias",
                                         "conv_norm_out.weight",
                                         "conv_out.weight"};

TEST_F(FullWeightsTest, GradientsAreThoseOfFiniteDifferencesWithAndWithoutCheckpointing) {
  load(at::kDouble);
  const auto full = weights({"*"});
  for (const bool checkpointing : {false, true}) {
    SCOPED_TRACE(checkpointing);
    bundle_.unet->set_gradient_checkpointing(checkpointing);
    const auto gradient = gradients(*full);
    const at::NoGradGuard no_grad;
    for (const std::string& kind : kKinds) {
      const auto parameters = full->parameters();
      const auto found = std::ranges::find_if(
          parameters, [&](const auto& parameter) { return parameter.name.ends_with(kind); });
      ASSERT_NE(found, parameters.end()) << kind;
      const at::Tensor leaf = found->value.detach();
      const at::Tensor kept = leaf.clone();
      const at::Tensor step = at::randn_like(leaf) * 3e-5;
      leaf.copy_(kept + step);
      const at::Tensor above = leaf.to(at::kDouble);
      const double more = loss_with(*full).item<double>();
      leaf.copy_(kept - step);
      const at::Tensor below = leaf.to(at::kDouble);
      const double less = loss_with(*full).item<double>();
      leaf.copy_(kept);
      const double want =
          (gradient.at(found->name).to(at::kDouble) * (above - below)).sum().item<double>();
      EXPECT_NEAR(more - less, want, 1e-4 * std::abs(want) + 1e-13) << found->name;
      EXPECT_NE(want, 0.0) << found->name;
    }
  }
}

TEST_F(FullWeightsTest, EveryParameterGetsTheSameGradientWithAndWithoutCheckpointing) {
  load(at::kFloat);
  const auto full = weights({"*"});
  const auto plain = gradients(*full);
  bundle_.unet->set_gradient_checkpointing(true);
  const auto recomputed = gradients(*full);
  ASSERT_EQ(plain.size(), bundle_.unet->parameters().size());
  for (const auto& [name, gradient] : plain) {
    EXPECT_GT(gradient.abs().max().item<float>(), 0.0f) << name;
    EXPECT_TRUE(at::allclose(gradient, recomputed.at(name), 1e-4, 1e-7)) << name;
  }
}

TEST_F(FullWeightsTest, ABiasTrainsWithoutItsWeight) {
  load(at::kFloat);
  const auto full = weights({"*.bias"});
  for (const auto& [name, gradient] : gradients(*full)) {
    EXPECT_TRUE(name.ends_with(".bias"));
    EXPECT_GT(gradient.abs().max().item<float>(), 0.0f) << name;
  }
}

TEST_F(FullWeightsTest, TargetsAreModulesOrParametersBySuffixOrGlob) {
  load(at::kFloat);
  const auto names = [&](const std::vector<std::string>& targets) {
    std::vector<std::string> result;
    for (const AdapterParameter& one : weights(targets)->parameters()) result.push_back(one.name);
    return result;
  };
  std::vector<std::string> all;
  for (const auto& item : bundle_.unet->named_parameters()) all.push_back("unet." + item.key());
  EXPECT_EQ(names({"*"}), all);
  const auto of = [&](auto condition) {
    std::vector<std::string> chosen;
    std::ranges::copy_if(all, std::back_inserter(chosen), condition);
    return chosen;
  };
  EXPECT_EQ(names({"to_out.0"}), of([](const std::string& name) {
              return name.ends_with(".to_out.0.weight") || name.ends_with(".to_out.0.bias");
            }));
  EXPECT_EQ(names({"conv1.bias"}),
            of([](const std::string& name) { return name.ends_with(".conv1.bias"); }));
  EXPECT_EQ(names({"unet.mid_block.*"}),
            of([](const std::string& name) { return name.starts_with("unet.mid_block."); }));
  EXPECT_EQ(names({"*norm*.weight", "conv_in"}), of([](const std::string& name) {
              return (name.find("norm") != std::string::npos && name.ends_with(".weight")) ||
                     name.starts_with("unet.conv_in.");
            }));
  EXPECT_NE(message_of([&] {
              names({"to_qq", "no.such"});
            }).find("to_qq no.such"),
            std::string::npos);
}

// The numbers of every parameter, and its weight's storage where it has one.
struct Seen {
  std::map<std::string, at::Tensor> values;
  std::vector<const FrozenWeight*> storages;
  at::Tensor output;
};

TEST_F(FullWeightsTest, TheModelIsAsItWasAfterwards) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    load(dtype);
    const auto see = [&] {
      const at::NoGradGuard no_grad;
      Seen seen;
      seen.output = bundle_.unet->forward(inputs_);
      for (const auto& [name, layer] : bundle_.linear_layers())
        seen.storages.push_back(layer->weight().get());
      return seen;
    };
    const auto full = weights({"*"});
    const Seen before = see();  // convolutions are packed from here on
    for (const AdapterParameter& parameter : full->parameters()) {
      const at::NoGradGuard no_grad;
      parameter.value.detach().mul_(1.5);
    }
    {
      const FullWeightScope scope = full->attach();
      loss().backward();
    }
    {
      const at::NoGradGuard no_grad;
      const FullWeightScope scope = full->attach();
      EXPECT_FALSE(at::equal(bundle_.unet->forward(inputs_), before.output));
    }
    const Seen after = see();
    EXPECT_TRUE(at::equal(after.output, before.output));
    EXPECT_EQ(after.storages, before.storages);
    const Checkpoint base = Checkpoint::open(base_path());
    for (const nn::LayerParameter& parameter : nn::layer_parameters(*bundle_.unet)) {
      EXPECT_FALSE(parameter.value.requires_grad()) << parameter.full_name;
      EXPECT_TRUE(at::equal(
          parameter.value,
          base.weights(Component::kUNet).copy(parameter.full_name, dtype, at::Device(at::kCPU))))
          << parameter.full_name;
    }
  }
}

TEST_F(FullWeightsTest, TheyBeginAsTheBaseBitForBit) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    load(dtype);
    const at::NoGradGuard no_grad;
    const at::Tensor base = bundle_.unet->forward(inputs_);
    const auto full = weights({"*"});
    const FullWeightScope scope = full->attach();
    EXPECT_TRUE(at::equal(bundle_.unet->forward(inputs_), base));
    for (const WeightPatch& patch : full->differences()) {
      for (const auto& [role, difference] : patch.factors) {
        EXPECT_FALSE(difference.any().item<bool>()) << patch.parameter;
      }
    }
  }
}

TEST_F(FullWeightsTest, AStepIsAdamWs) {
  load(at::kFloat);
  TrainerOptions options;
  options.learning_rate = 1e-2;
  options.weight_decay = 0.1;
  options.max_grad_norm = 0;
  auto full = weights({"*"});
  AdapterSpec spec;
  spec.kind = "full";
  AdapterTrainer trainer(
      "full", AdapterSet::from_tensors(spec, bundle_.linear_layers(), {}, adapter_core(at::kCPU)),
      options, std::nullopt, std::move(full));
  const AdapterTrainer::Attached scope = trainer.attach();
  trainer.accumulate(loss(), 1.0);
  std::map<std::string, at::Tensor> want;
  for (const AdapterParameter& parameter : trainer.parameters()) {
    // The first step: both moments, corrected, are the gradient's own.
    const at::Tensor g = parameter.value.grad().to(at::kDouble);
    const at::Tensor w = parameter.value.detach().to(at::kDouble);
    want[parameter.name] = w * (1 - 1e-2 * 0.1) - 1e-2 * g / (g.abs() + 1e-8);
  }
  trainer.step(1.0);
  for (const AdapterParameter& parameter : trainer.parameters()) {
    const at::Tensor got = parameter.value.detach().to(at::kDouble);
    EXPECT_LT((got - want.at(parameter.name)).abs().max().item<double>(), 1e-6) << parameter.name;
  }
}

}  // namespace
}  // namespace dorabooth::testing::full_weights_test
