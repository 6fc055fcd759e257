// Every adapter on inputs that break careless formulas: zero rows and columns, huge and tiny
// weights, rank 1 and 256, one token, every dtype.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "src/adapter/set.h"
#include "src/device/adapter_core_choice.h"

namespace dorabooth::extreme_numbers_test {
namespace {

std::vector<AdapterSpec> specs() {
  std::vector<AdapterSpec> result;
  for (const std::string kind : {"lora", "dora", "vera", "dvora"}) {
    for (const std::string axis : {"output", "input"}) {
      for (const std::string gradient : {"detached", "full"}) {
        for (const bool magnitude_only : {false, true}) {
          AdapterSpec spec;
          spec.kind = kind;
          spec.norm_axis = axis;
          spec.norm_gradient = gradient;
          spec.target_modules = {"to_q"};
          if (magnitude_only) spec.magnitude_only_modules = {"to_q"};
          const bool plain = axis == "output" && gradient == "detached" && !magnitude_only;
          if (spec.has_magnitude() || plain) result.push_back(spec);
        }
      }
    }
  }
  return result;
}

std::string text_of(const AdapterSpec& spec, at::ScalarType dtype) {
  return spec.kind + " " + spec.norm_axis + " " + spec.norm_gradient + " rank " +
         std::to_string(spec.rank) + (spec.magnitude_only_modules.empty() ? "" : " m only ") +
         c10::toString(dtype);
}

// The base's bits at the start, then finite values and gradients after every parameter moved.
void check(const AdapterSpec& spec, const at::Tensor& weight, const at::Tensor& x) {
  SCOPED_TRACE(text_of(spec, weight.scalar_type()));
  nn::Linear layer(weight.size(1), weight.size(0), true, weight.options());
  layer.assign("weight", weight);
  layer.assign("bias", at::randn({weight.size(0)}).to(weight.scalar_type()));
  const at::Tensor base = layer.forward(x);
  AdapterSet set = AdapterSet::create(spec, {{"unet.mid.to_q", &layer}}, 1, cpu_core());
  const AttachScope scope = set.attach();
  EXPECT_TRUE(at::equal(layer.forward(x), base)) << "the base's bits";
  for (const bool moved : {false, true}) {
    if (moved) {
      const at::NoGradGuard no_grad;
      for (const AdapterParameter& parameter : set.parameters()) {
        parameter.value.add_(at::randn(parameter.value.sizes()) * 1e-2);
        parameter.value.mutable_grad().reset();
      }
      set.on_parameters_changed();
    }
    const at::Tensor input = x.clone().requires_grad_(true);
    const at::Tensor y = layer.forward(input);
    EXPECT_TRUE(at::isfinite(y).all().item<bool>());
    y.mean().backward();
    EXPECT_TRUE(at::isfinite(input.grad()).all().item<bool>());
    for (const AdapterParameter& parameter : set.parameters()) {
      EXPECT_TRUE(at::isfinite(parameter.value.grad()).all().item<bool>()) << parameter.name;
    }
    const at::Tensor merged =
        set.find("unet.mid.to_q")->merged_rows(*layer.weight(), 0, weight.size(0));
    EXPECT_TRUE(at::isfinite(merged).all().item<bool>());
  }
}

TEST(AdapterOnExtremeNumbers, StaysFinite) {
  at::manual_seed(23);
  const at::Tensor normal = at::randn({40, 24});
  at::Tensor holes = normal.clone();
  holes[0].zero_();
  holes[39].zero_();
  holes.select(1, 5).zero_();
  const std::vector<at::Tensor> weights = {holes, at::zeros({40, 24}), normal * 1e12,
                                           normal * 1e-12, normal * 1e-25};
  for (AdapterSpec spec : specs()) {
    for (const int64_t rank : {int64_t{1}, int64_t{256}}) {
      spec.rank = rank;
      for (const int64_t tokens : {int64_t{1}, int64_t{6}}) {
        for (const at::Tensor& weight : weights) check(spec, weight, at::randn({1, tokens, 24}));
      }
      for (const at::ScalarType dtype : {at::kBFloat16, at::kHalf}) {
        for (const double scale : {1e-3, 1.0, 100.0}) {
          check(spec, (holes * scale).to(dtype), at::randn({1, 2, 24}).to(dtype));
        }
      }
    }
  }
}

}  // namespace
}  // namespace dorabooth::extreme_numbers_test
