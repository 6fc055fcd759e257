// The gradient through DoRA's norm (eq. 6) against LibTorch's own of the formula in double, over
// every storage of the weight, and that no copy of the whole weight is made for it.
#include "src/ops/norm_gradient.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "src/adapter/low_rank.h"
#include "src/device/adapter_core_choice.h"
#include "src/quant/nf4.h"

namespace dorabooth::norm_gradient_test {
namespace {

constexpr int64_t kOut = 600;  // three blocks of rows
constexpr int64_t kIn = 72;
constexpr int64_t kRank = 4;
constexpr double kScale = 1.5;

std::shared_ptr<const FrozenWeight> weight_of(const std::string& storage) {
  at::manual_seed(5);
  at::Tensor w = at::randn({kOut, kIn});
  w[7].zero_();
  w.select(1, 3).zero_();
  if (storage == "nf4") return std::make_shared<Nf4Weight>(w, true, cpu_core());
  const auto dtype = storage == "bf16" ? at::kBFloat16 : at::kFloat;
  return std::make_shared<DenseWeight>(w.to(dtype));
}

void expect_near(const at::Tensor& gradient, const at::Tensor& want, const std::string& name) {
  ASSERT_TRUE(gradient.defined()) << name;
  const double off = (gradient.to(at::kDouble) - want).abs().max().item<double>();
  EXPECT_LE(off, 2e-6 * want.abs().max().item<double>()) << name;
}

TEST(NormGradient, EqualsTheFormulasInDoubleForEveryStorage) {
  for (const std::string storage : {"fp32", "bf16", "nf4"}) {
    for (const MagnitudeAxis axis : {MagnitudeAxis::kOutput, MagnitudeAxis::kInput}) {
      const bool rows = axis == MagnitudeAxis::kOutput;
      SCOPED_TRACE(storage + (rows ? " by rows" : " by columns"));
      const auto weight = weight_of(storage);
      at::manual_seed(6);
      const at::Tensor a = at::randn({kRank, kIn}).requires_grad_(true);
      const at::Tensor b = (at::randn({kOut, kRank}) * 0.3).requires_grad_(true);
      const at::Tensor m = (at::randn({rows ? kOut : kIn}).abs() + 0.5).requires_grad_(true);
      const at::Tensor dm = at::randn(m.sizes());

      const auto exact = [](const at::Tensor& x) {
        return x.detach().to(at::kDouble).requires_grad_(true);
      };
      const at::Tensor ea = exact(a), eb = exact(b), em = exact(m);
      const at::Tensor v = weight->rows(0, kOut).to(at::kDouble) + kScale * eb.mm(ea);
      const at::Tensor norm = v.norm(2, {rows ? 1 : 0});
      // What multiplies a constant m/n where the norm moves.
      (em * (norm.detach() / norm) * dm.to(at::kDouble)).sum().backward();

      const NormOrigin origin{norm.detach().to(at::kFloat), axis, weight, kScale};
      const at::Tensor got = magnitude_over_norm(m, a, b, origin);
      EXPECT_TRUE(at::equal(got, m));
      (got * dm).sum().backward();
      expect_near(a.grad(), ea.grad(), "A");
      expect_near(b.grad(), eb.grad(), "B");
      expect_near(m.grad(), em.grad(), "m");
    }
  }
}

// The widest block of rows that was asked for in fp32.
class WatchedWeight : public DenseWeight {
 public:
  using DenseWeight::DenseWeight;
  at::Tensor rows(int64_t first, int64_t last) const override {
    widest = std::max(widest, last - first);
    return DenseWeight::rows(first, last);
  }
  mutable int64_t widest = 0;
};

TEST(NormGradient, NeverTakesTheWholeWeightInFp32) {
  for (const std::string axis : {"output", "input"}) {
    const auto weight = std::make_shared<WatchedWeight>(at::randn({kOut, kIn}).to(at::kBFloat16));
    AdapterSpec spec;
    spec.kind = "dora";
    spec.norm_axis = axis;
    spec.norm_gradient = "full";
    AdapterTensors tensors;
    tensors.a = at::randn({kRank, kIn});
    tensors.b = at::randn({kOut, kRank});
    tensors.m = at::rand({axis == "output" ? kOut : kIn}) + 0.5;
    tensors.alpha = kRank;
    const auto adapter = make_dora(std::move(tensors), spec, 0, cpu_core());
    const at::Tensor x = at::randn({5, kIn}).to(at::kBFloat16);
    adapter->forward(x, weight, {}, {}).sum().backward();
    for (const auto& [name, value] : adapter->parameters()) {
      EXPECT_TRUE(value.grad().isfinite().all().item<bool>()) << name;
    }
    EXPECT_GT(weight->widest, 0);
    EXPECT_LE(weight->widest, 256);
  }
}

}  // namespace
}  // namespace dorabooth::norm_gradient_test
