// Properties of the adapters that hold for any numbers.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "src/adapter/low_rank.h"
#include "src/device/adapter_core_choice.h"

namespace dorabooth::dora_test {
namespace {

struct Layer {
  nn::Linear linear;
  explicit Layer(at::ScalarType dtype = at::kFloat)
      : linear(24, 40, /*bias=*/true, at::TensorOptions().dtype(dtype)) {
    at::manual_seed(7);
    linear.assign("weight", at::randn({40, 24}).to(dtype));
    linear.assign("bias", at::randn({40}).to(dtype));
  }
  LinearLayers layers() { return {{"unet.mid.to_q", &linear}}; }
};

AdapterSpec spec_of(const std::string& kind) {
  AdapterSpec spec;
  spec.kind = kind;
  spec.rank = 3;
  spec.target_modules = {"to_q"};
  return spec;
}

TEST(Adapter, WithZeroBEqualsBaseBitForBit) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
    for (const std::string kind : {"lora", "dora"}) {
      SCOPED_TRACE(kind + " " + c10::toString(dtype));
      Layer layer(dtype);
      const at::Tensor x = at::randn({2, 5, 24}).to(dtype);
      const at::Tensor base = layer.linear.forward(x);
      AdapterSet set = AdapterSet::create(spec_of(kind), layer.layers(), 1, cpu_core());
      const AttachScope scope = set.attach();
      const auto equals_base = [&] { return at::equal(layer.linear.forward(x), base); };
      EXPECT_TRUE(equals_base());
      {
        AdapterSet other = AdapterSet::create(spec_of(kind), layer.layers(), 2, cpu_core());
        const AttachScope both = other.attach();
        EXPECT_TRUE(equals_base()) << "with a second adapter";
      }
      at::NoGradGuard no_grad;
      EXPECT_TRUE(equals_base()) << "without gradients";
    }
  }
}

TEST(Adapter, WithZeroBAndDropoutEqualsBaseBitForBit) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
    for (const std::string kind : {"lora", "dora", "dora full"}) {
      SCOPED_TRACE(kind + " " + c10::toString(dtype));
      Layer layer(dtype);
      const at::Tensor x = at::randn({2, 5, 24}).to(dtype);
      const at::Tensor base = layer.linear.forward(x);
      AdapterSpec spec = spec_of(kind == "lora" ? "lora" : "dora");
      if (kind == "dora full") spec.norm_gradient = "full";
      spec.dropout = 0.25;
      AdapterSet set = AdapterSet::create(spec, layer.layers(), 1, cpu_core());
      const AttachScope scope = set.attach();
      set.set_training(true, 3, 0);
      EXPECT_TRUE(at::equal(layer.linear.forward(x), base)) << "in training";
      set.set_training(false, 0, 0);
      for (const StrengthRule rule : {StrengthRule::kPeft, StrengthRule::kLerp}) {
        set.set_strength(0.5, rule);
        EXPECT_TRUE(at::equal(layer.linear.forward(x), base)) << "at half strength";
      }
    }
  }
}

TEST(Adapter, DropsInAPartOfABatchWhatItDropsThereInTheWhole) {
  Layer layer;
  const at::Tensor x = at::randn({5, 3, 24});
  AdapterSpec spec = spec_of("lora");
  spec.dropout = 0.5;
  AdapterSet set = AdapterSet::create(spec, layer.layers(), 1, cpu_core());
  {
    const at::NoGradGuard no_grad;
    for (AdapterParameter& parameter : set.parameters()) parameter.value.normal_();
  }
  set.on_parameters_changed();
  const AttachScope scope = set.attach();
  set.set_training(true, 3, 0);
  const at::Tensor whole = layer.linear.forward(x);
  set.set_rows({{1, 2, 0}, {4, 1, 0}});
  const at::Tensor part = layer.linear.forward(at::cat({x.slice(0, 1, 3), x.slice(0, 4, 5)}));
  const at::Tensor expected = at::cat({whole.slice(0, 1, 3), whole.slice(0, 4, 5)});
  EXPECT_TRUE(at::allclose(part, expected, 1e-6, 1e-5));
  set.set_rows({});
  EXPECT_FALSE(at::allclose(layer.linear.forward(x.slice(0, 1, 4)), whole.slice(0, 1, 4)));
}

TEST(Adapter, LeavesTheLayerWhenItsScopeEnds) {
  Layer layer;
  AdapterSet set = AdapterSet::create(spec_of("lora"), layer.layers(), 1, cpu_core());
  {
    const AttachScope scope = set.attach();
    EXPECT_EQ(layer.linear.slots().size(), 1u);
  }
  EXPECT_TRUE(layer.linear.slots().empty());
}

TEST(Dora, NormIsComputedOncePerParameterChange) {
  Layer layer;
  AdapterCore counting = cpu_core();
  static int launches;
  launches = 0;
  counting.row_norm = [](const RowNormArgs& args) {
    ++launches;
    cpu_core().row_norm(args);
  };
  AdapterSet set = AdapterSet::create(spec_of("dora"), layer.layers(), 1, counting);
  const AttachScope scope = set.attach();
  for (int i = 0; i < 3; ++i) layer.linear.forward(at::randn({5, 24}));
  EXPECT_EQ(launches, 1);
  set.on_parameters_changed();
  layer.linear.forward(at::randn({5, 24}));
  layer.linear.forward(at::randn({5, 24}));
  EXPECT_EQ(launches, 2);
}

TEST(Dora, ZeroRowsGiveNoNan) {
  Layer layer;
  at::Tensor weight = at::randn({40, 24});
  weight[3].zero_();
  layer.linear.assign("weight", weight);
  AdapterSet set = AdapterSet::create(spec_of("dora"), layer.layers(), 1, cpu_core());
  const AttachScope scope = set.attach();
  const at::Tensor x = at::randn({5, 24}).requires_grad_(true);
  const at::Tensor y = layer.linear.forward(x);
  y.sum().backward();
  EXPECT_FALSE(at::isnan(y).any().item<bool>());
  EXPECT_FALSE(at::isnan(x.grad()).any().item<bool>());
  for (const AdapterParameter& parameter : set.parameters()) {
    EXPECT_FALSE(at::isnan(parameter.value.grad()).any().item<bool>()) << parameter.name;
  }
}

TEST(Dora, GradientOfASmallMagnitudeMatchesTheFormula) {
  Layer layer;
  AdapterSet set = AdapterSet::create(spec_of("dora"), layer.layers(), 1, cpu_core());
  const auto parameters = set.parameters();
  {
    at::NoGradGuard no_grad;
    parameters[1].value.normal_();
    parameters[2].value[4] = 0.0f;
    parameters[2].value[9] = 1e-7f;
  }
  set.on_parameters_changed();
  const AttachScope scope = set.attach();
  const at::Tensor x = at::randn({6, 24});
  const at::Tensor gy = at::randn({6, 40});
  (layer.linear.forward(x) * gy).sum().backward();
  const at::Tensor v = (layer.linear.weight()->rows(0, 40) +
                        parameters[1].value.detach().matmul(parameters[0].value.detach()))
                           .to(at::kDouble);
  const at::Tensor want =
      (gy.to(at::kDouble) * x.to(at::kDouble).matmul(v.t())).sum(0) / v.norm(2, {1});
  const at::Tensor got = parameters[2].value.grad().to(at::kDouble);
  EXPECT_LT((got - want).abs().max().item<double>(), 1e-5 * want.abs().max().item<double>());
}

// Liu et al. 2024, eq. 5, on either axis; at strengths other than 1 by each rule.
TEST(Dora, OnEitherAxisFollowsBothRulesAtEveryStrength) {
  at::manual_seed(21);
  for (const auto& [out, in] : {std::pair<int64_t, int64_t>{3, 4}, {4, 4}}) {
    for (const bool input : {false, true}) {
      nn::Linear linear(in, out, /*bias=*/false, at::TensorOptions());
      const at::Tensor weight = at::randn({out, in});
      linear.assign("weight", weight);
      AdapterSpec spec = spec_of("dora");
      spec.rank = 2;
      spec.alpha = 3.0;
      spec.norm_axis = input ? "input" : "output";
      AdapterTensors own{at::randn({2, in}), at::randn({out, 2}),
                         at::rand({input ? in : out}) + 0.5, 3.0};
      const at::Tensor update = 1.5 * own.b.mm(own.a);
      const auto directed = [&](const at::Tensor& x) {
        const int64_t reduced = input ? 0 : 1;
        return x * (own.m.unsqueeze(reduced) / x.square().sum(reduced, /*keepdim=*/true).sqrt());
      };
      AdapterSet set = AdapterSet::from_tensors(spec, {{"unet.mid.to_q", &linear}},
                                                {{"unet.mid.to_q", own}}, cpu_core());
      const at::Tensor x = at::randn({5, in});
      for (const double s : {0.0, 0.5, 1.0}) {
        const at::Tensor peft = directed(weight + s * update);
        const at::Tensor lerp = weight + s * (directed(weight + update) - weight);
        for (const StrengthRule rule : {StrengthRule::kPeft, StrengthRule::kLerp}) {
          const at::Tensor want = rule == StrengthRule::kPeft ? peft : lerp;
          set.set_strength(s, rule);
          const at::NoGradGuard no_grad;
          EXPECT_TRUE(at::allclose(set.find("unet.mid.to_q")->merged_rows(*linear.weight(), 0, out),
                                   want, 1e-4, 1e-5));
          const AttachScope scope = set.attach();
          EXPECT_TRUE(at::allclose(linear.forward(x), x.mm(want.t()), 1e-4, 1e-5));
        }
      }
    }
  }
}

TEST(Dora, LerpStrengthInterpolatesBetweenBaseAndMerged) {
  Layer layer;
  AdapterSet set = AdapterSet::create(spec_of("dora"), layer.layers(), 1, cpu_core());
  {
    at::NoGradGuard no_grad;
    set.parameters()[1].value.normal_();
    set.parameters()[2].value.mul_(1.3);
  }
  at::NoGradGuard no_grad;
  const at::Tensor x = at::randn({5, 24});
  const at::Tensor base = layer.linear.forward(x);
  const AttachScope scope = set.attach();
  set.set_strength(1.0, StrengthRule::kLerp);
  const at::Tensor full = layer.linear.forward(x);
  set.set_strength(0.3, StrengthRule::kLerp);
  const at::Tensor part = layer.linear.forward(x);
  EXPECT_TRUE(at::allclose(part, base + 0.3 * (full - base), 1e-5, 1e-5));
  set.set_strength(0.0, StrengthRule::kLerp);
  EXPECT_TRUE(at::allclose(layer.linear.forward(x), base, 1e-6, 1e-6));
  const at::Tensor merged = set.find("unet.mid.to_q")->merged_rows(*layer.linear.weight(), 0, 40);
  EXPECT_TRUE(at::allclose(merged, layer.linear.weight()->rows(0, 40), 1e-6, 1e-6));
}

TEST(AdapterSpec, PatternsPickRankAndAlphaPerModule) {
  AdapterSpec spec = parse_adapter_spec("dora:rank=8,alpha=4", AdapterSpec{});
  spec.target_modules = {"to_q", "unet.mid_block*"};
  spec.rank_pattern = {"*mid_block*=16"};
  EXPECT_EQ(spec.rank_of("unet.mid_block.attentions.0.to_k"), 16);
  EXPECT_EQ(spec.rank_of("unet.down_blocks.1.to_q"), 8);
  EXPECT_DOUBLE_EQ(spec.scale_of("unet.down_blocks.1.to_q"), 0.5);
  EXPECT_TRUE(spec.targets("unet.mid_block.attentions.0.to_k"));
  EXPECT_TRUE(spec.targets("unet.down_blocks.1.to_q"));
  EXPECT_FALSE(spec.targets("unet.down_blocks.1.xto_q"));
}

TEST(AdapterSpec, UnknownFieldNamesTheNearest) {
  try {
    parse_adapter_spec("lora:rnak=3", AdapterSpec{});
    FAIL();
  } catch (const std::exception& error) {
    EXPECT_NE(std::string(error.what()).find("'rank'"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace dorabooth::dora_test
