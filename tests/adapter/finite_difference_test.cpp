// The gradients of every adapter against central differences, in double, of its formula written
// out. A detached norm is held at the point where the derivative is taken.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <functional>

#include "src/adapter/low_rank.h"
#include "src/device/adapter_core_choice.h"

namespace dorabooth::finite_difference_test {
namespace {

constexpr int64_t kOut = 9;
constexpr int64_t kIn = 7;
constexpr int64_t kRank = 3;

struct Variant {
  std::string name;
  std::string kind;
  std::string axis = "output";
  std::string gradient = "detached";
  bool magnitude_only = false;
};

const std::vector<Variant>& variants() {
  static const std::vector<Variant> list = {
      {"lora", "lora"},
      {"dora", "dora"},
      {"dora full", "dora", "output", "full"},
      {"dora input", "dora", "input"},
      {"dora input full", "dora", "input", "full"},
      {"magnitude only", "dora", "output", "detached", true},
      {"magnitude only input", "dora", "input", "detached", true},
      {"vera", "vera"},
      {"dvora", "dvora"},
      {"dvora full", "dvora", "output", "full"},
      {"dvora input", "dvora", "input"},
  };
  return list;
}

// In double, by the names of Adapter::parameters(), with x, W, bias and gy.
using Numbers = std::map<std::string, at::Tensor>;

AdapterSpec spec_of(const Variant& variant) {
  AdapterSpec spec;
  spec.kind = variant.kind;
  spec.norm_axis = variant.axis;
  spec.norm_gradient = variant.gradient;
  return spec;
}

double scale_of(const Variant& variant) { return spec_of(variant).is_vera() ? 1.0 : 2.0; }

Numbers draw(const Variant& variant) {
  at::manual_seed(17);
  const auto normal = [](at::IntArrayRef sizes) {
    return at::randn(sizes, at::kFloat).to(at::kDouble);
  };
  Numbers numbers;
  numbers["x"] = normal({4, kIn});
  numbers["W"] = normal({kOut, kIn});
  numbers["bias"] = normal({kOut});
  numbers["gy"] = normal({4, kOut});
  numbers["A"] = normal({kRank, kIn});
  numbers["B"] = normal({kOut, kRank});
  numbers["d"] = normal({kRank});
  numbers["b"] = normal({kOut});
  numbers["m"] = normal({variant.axis == "input" ? kIn : kOut}).abs() + 0.5;
  return numbers;
}

at::Tensor direction(const Variant& variant, const Numbers& n) {
  if (variant.magnitude_only) return n.at("W");
  at::Tensor a = n.at("A");
  at::Tensor b = n.at("B");
  if (spec_of(variant).is_vera()) {
    a = n.at("d").unsqueeze(1) * a;
    b = n.at("b").unsqueeze(1) * b;
  }
  return n.at("W") + scale_of(variant) * b.matmul(a);
}

at::Tensor norm_of(const Variant& variant, const Numbers& n) {
  return direction(variant, n).norm(2, {variant.axis == "input" ? 0 : 1}, /*keepdim=*/true);
}

// Σ y∘gy; `norm` is a constant unless the variant differentiates it.
double loss(const Variant& variant, const Numbers& n, const at::Tensor& norm) {
  at::Tensor w = direction(variant, n);
  if (spec_of(variant).has_magnitude()) {
    const at::Tensor m = n.at("m").unsqueeze(variant.axis == "input" ? 0 : 1);
    w = w * (m / (variant.gradient == "full" ? norm_of(variant, n) : norm));
  }
  return ((n.at("x").matmul(w.t()) + n.at("bias")) * n.at("gy")).sum().item<double>();
}

at::Tensor central_differences(const Variant& variant, Numbers n, const std::string& name) {
  constexpr double kStep = 1e-5;
  const at::Tensor norm = norm_of(variant, n);
  n[name] = n[name].clone();
  at::Tensor gradient = at::empty_like(n[name]);
  double* values = n[name].data_ptr<double>();
  for (int64_t i = 0; i < gradient.numel(); ++i) {
    const double value = values[i];
    values[i] = value + kStep;
    const double above = loss(variant, n, norm);
    values[i] = value - kStep;
    const double below = loss(variant, n, norm);
    values[i] = value;
    gradient.data_ptr<double>()[i] = (above - below) / (2 * kStep);
  }
  return gradient;
}

std::unique_ptr<LowRankAdapter> adapter_of(const Variant& variant, const Numbers& n) {
  const auto own = [&](const char* name) { return n.at(name).to(at::kFloat).clone(); };
  AdapterTensors tensors;
  tensors.a = own("A");
  tensors.b = own("B");
  tensors.alpha = scale_of(variant) * static_cast<double>(kRank);
  const AdapterSpec spec = spec_of(variant);
  if (variant.magnitude_only) {
    tensors.a = at::empty({0, kIn});
    tensors.b = at::empty({kOut, 0});
  } else if (spec.is_vera()) {
    tensors.vera_d = own("d");
    tensors.vera_b = own("b");
  }
  if (!spec.has_magnitude()) return make_lora(std::move(tensors), spec, 0, cpu_core());
  tensors.m = own("m");
  return make_dora(std::move(tensors), spec, 0, cpu_core());
}

void expect_near(const at::Tensor& gradient, const at::Tensor& want, const std::string& name) {
  ASSERT_TRUE(gradient.defined()) << name;
  const double off = (gradient.to(at::kDouble) - want).abs().max().item<double>();
  EXPECT_LE(off, 3e-6 * want.abs().max().item<double>()) << name;
}

TEST(AdapterGradients, EqualCentralDifferencesOfTheFormulas) {
  for (const Variant& variant : variants()) {
    SCOPED_TRACE(variant.name);
    const Numbers n = draw(variant);
    auto adapter = adapter_of(variant, n);
    const auto weight = std::make_shared<DenseWeight>(n.at("W").to(at::kFloat));
    const at::Tensor x = n.at("x").to(at::kFloat).requires_grad_(true);
    const at::Tensor y = adapter->forward(x, weight, n.at("bias").to(at::kFloat), {});
    (y * n.at("gy").to(at::kFloat)).sum().backward();
    expect_near(x.grad(), central_differences(variant, n, "x"), "x");
    const size_t count =
        (variant.magnitude_only ? 0u : 2u) + (spec_of(variant).has_magnitude() ? 1u : 0u);
    EXPECT_EQ(adapter->parameters().size(), count);
    for (const auto& [role, value] : adapter->parameters()) {
      expect_near(value.grad(), central_differences(variant, n, role), role);
    }
  }
}

}  // namespace
}  // namespace dorabooth::finite_difference_test
