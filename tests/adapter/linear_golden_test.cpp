// One adapted layer against fixtures/adapters/linear_dora: values, gradients and merged weights of
// LoRA and DoRA on both norm axes, detached and full, with another scale, with dropout, and over a
// bf16 base.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <optional>

#include "kernels/emulation/emulated_core.h"
#include "src/adapter/low_rank.h"
#include "src/device/adapter_core_choice.h"
#include "tests/support/fixtures.h"
#include "tests/support/golden_tensors.h"

namespace dorabooth::linear_golden_test {
namespace {

using testing::expect_close;
using testing::expect_close_to_largest;
using testing::fixture_json;
using testing::GoldenFile;

// Section 13: single layers in fp32, within 1e-5 of the largest value.
constexpr double kFraction = 1e-5;

struct Case {
  std::string name;
  std::string kind;
  std::string axis = "output";
  std::string gradient = "detached";
  double strength = 1.0;
  bool magnitude_only = false;
};

struct Fixture {
  GoldenFile file{"adapters/linear_dora.safetensors"};
  nlohmann::json numbers = fixture_json("adapters/linear_dora.json");
};

AdapterSpec spec_of(const Case& c) {
  AdapterSpec spec;
  spec.kind = c.kind;
  spec.norm_axis = c.axis;
  spec.norm_gradient = c.gradient;
  return spec;
}

AdapterTensors tensors_of(const Fixture& fixture, const Case& c) {
  AdapterTensors tensors;
  tensors.a = fixture.file.at("A").clone();
  tensors.b = fixture.file.at("B").clone();
  if (c.kind == "vera" || c.kind == "dvora") {
    tensors.a = fixture.file.at("vera_A").clone();
    tensors.b = fixture.file.at("vera_B").clone();
    tensors.vera_d = fixture.file.at("vera_d").clone();
    tensors.vera_b = fixture.file.at("vera_b").clone();
  }
  if (spec_of(c).has_magnitude())
    tensors.m = fixture.file.at(c.axis == "input" ? "m_in" : "m").clone();
  tensors.alpha = fixture.numbers.at("alpha").get<double>();
  if (c.magnitude_only) {
    tensors.a = tensors.a.slice(0, 0, 0).clone();
    tensors.b = tensors.b.slice(1, 0, 0).clone();
  }
  return tensors;
}

std::unique_ptr<LowRankAdapter> adapter_of(const Fixture& fixture, const Case& c,
                                           const AdapterCore& core) {
  AdapterTensors tensors = tensors_of(fixture, c);
  auto adapter = spec_of(c).has_magnitude() ? make_dora(std::move(tensors), spec_of(c), 0, core)
                                            : make_lora(std::move(tensors), spec_of(c), 0, core);
  adapter->set_strength(c.strength, StrengthRule::kPeft);
  return adapter;
}

void check_case(const Fixture& fixture, const Case& c, const AdapterCore& core) {
  SCOPED_TRACE(c.name);
  const auto weight = std::make_shared<DenseWeight>(fixture.file.at("W"));
  auto adapter = adapter_of(fixture, c, core);
  const at::Tensor x = fixture.file.at("x").clone().requires_grad_(true);
  const at::Tensor y = adapter->forward(x, weight, fixture.file.at("bias"), {});
  expect_close_to_largest(y, fixture.file.at(c.name + ".y"), kFraction, c.name + ".y");
  (y * fixture.file.at("gy")).sum().backward();
  expect_close_to_largest(x.grad(), fixture.file.at(c.name + ".dx"), kFraction, c.name + ".dx");
  for (const auto& [role, value] : adapter->parameters()) {
    const std::string name = c.name + ".d" + role;
    expect_close_to_largest(value.grad(), fixture.file.at(name), kFraction, name);
  }
  if (fixture.file.contains(c.name + ".merged")) {
    const at::Tensor merged = adapter->merged_rows(*weight, 0, weight->out_features());
    expect_close_to_largest(merged, fixture.file.at(c.name + ".merged"), kFraction,
                            c.name + ".merged");
  }
}

std::vector<Case> cases(const Fixture& fixture) {
  return {{"lora", "lora"},
          {"dora", "dora"},
          {"dora_full", "dora", "output", "full"},
          {"dora_scale2", "dora", "output", "detached", fixture.numbers.at("scale2").get<double>()},
          {"dora_in", "dora", "input"},
          {"dora_in_full", "dora", "input", "full"},
          {"magnitude_only", "dora", "output", "detached", 1.0, true},
          {"magnitude_only", "dora", "output", "full", 1.0, true},
          {"vera", "vera"},
          {"dvora", "dvora"},
          {"dvora_full", "dvora", "output", "full"}};
}

TEST(LinearAdapterGolden, ValuesGradientsAndMergesEqualTheReference) {
  const Fixture fixture;
  for (const Case& c : cases(fixture)) check_case(fixture, c, cpu_core());
}

TEST(LinearAdapterGolden, TheEmulatedDeviceGivesTheSame) {
  const Fixture fixture;
  for (const Case& c : cases(fixture)) check_case(fixture, c, emulated_core());
}

// Dropout draws its own mask; the fixture's mask goes in by hand through the same expressions.
class MaskedCore {
 public:
  MaskedCore(const at::Tensor& mask, double p) {
    scaled() = (mask / (1.0 - p)).contiguous();
    core_ = cpu_core();
    core_.dropout_mask = [](const DropoutMaskArgs& args) {
      ASSERT_EQ(args.count, scaled().numel());
      std::copy_n(scaled().data_ptr<float>(), args.count, static_cast<float*>(args.mask));
    };
  }
  const AdapterCore& core() const { return core_; }

 private:
  static at::Tensor& scaled() {
    static at::Tensor tensor;
    return tensor;
  }
  AdapterCore core_;
};

TEST(LinearAdapterGolden, DropoutReachesTheUpdateAndDorasCorrection) {
  const Fixture fixture;
  const double p = fixture.numbers.at("dropout_p").get<double>();
  const MaskedCore masked(fixture.file.at("dropout_mask"), p);
  for (const Case& c : {Case{"lora_dropout", "lora"}, Case{"dora_dropout", "dora"}}) {
    SCOPED_TRACE(c.name);
    AdapterSpec spec = spec_of(c);
    spec.dropout = p;
    const auto weight = std::make_shared<DenseWeight>(fixture.file.at("W"));
    auto adapter = c.kind == "lora" ? make_lora(tensors_of(fixture, c), spec, 0, masked.core())
                                    : make_dora(tensors_of(fixture, c), spec, 0, masked.core());
    adapter->set_training(true, 0, 0);
    const at::Tensor x = fixture.file.at("x").clone().requires_grad_(true);
    const at::Tensor y = adapter->forward(x, weight, fixture.file.at("bias"), {});
    expect_close_to_largest(y, fixture.file.at(c.name + ".y"), kFraction, "y");
    (y * fixture.file.at("gy")).sum().backward();
    expect_close_to_largest(x.grad(), fixture.file.at(c.name + ".dx"), kFraction, "dx");
    for (const auto& [role, value] : adapter->parameters()) {
      expect_close_to_largest(value.grad(), fixture.file.at(c.name + ".d" + role), kFraction, role);
    }
  }
}

TEST(LinearAdapterGolden, ABf16BaseStaysWithinItsRounding) {
  const Fixture fixture;
  for (const Case& c : {Case{"lora_bf16", "lora"}, Case{"dora_bf16", "dora"}}) {
    SCOPED_TRACE(c.name);
    const auto weight = std::make_shared<DenseWeight>(fixture.file.at("W").to(at::kBFloat16));
    auto adapter = adapter_of(fixture, c, cpu_core());
    const at::Tensor x = fixture.file.at("x").to(at::kBFloat16).requires_grad_(true);
    const at::Tensor y = adapter->forward(x, weight, fixture.file.at("bias").to(at::kBFloat16), {});
    ASSERT_EQ(y.scalar_type(), at::kBFloat16);
    expect_close_to_largest(y, fixture.file.at(c.name + ".y"), 0x1p-7, "y");
    (y.to(at::kFloat) * fixture.file.at("gy").to(at::kFloat)).sum().backward();
    expect_close_to_largest(x.grad(), fixture.file.at(c.name + ".dx"), 0x1p-7, "dx");
    for (const auto& [role, value] : adapter->parameters()) {
      expect_close_to_largest(value.grad(), fixture.file.at(c.name + ".d" + role), 1e-2, role);
    }
  }
}

}  // namespace
}  // namespace dorabooth::linear_golden_test
