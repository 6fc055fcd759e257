// The group norm of channels_last pictures against LibTorch's in double precision: values and
// gradients no further off than twice LibTorch's own in the same dtype.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "src/nn/norm.h"

namespace dorabooth::group_norm_test {
namespace {

double distance(const at::Tensor& a, const at::Tensor& want) {
  return ((a.to(at::kDouble) - want).abs().max() / want.abs().max()).item<double>();
}

struct Result {
  at::Tensor y;
  at::Tensor dx;
};

class GroupNormCase {
 public:
  GroupNormCase(at::ScalarType dtype, int64_t channels, int64_t groups, at::IntArrayRef size,
                bool silu)
      : norm_(groups, channels, 1e-5, dtype), groups_(groups), silu_(silu) {
    norm_.assign("weight", at::randn({channels}).to(dtype));
    norm_.assign("bias", at::randn({channels}).to(dtype));
    x_ = (at::randn({2, channels, size[0], size[1]}) + 0.5)
             .to(dtype)
             .contiguous(at::MemoryFormat::ChannelsLast);
    g_ = at::randn_like(x_);
  }

  Result own() {
    const at::Tensor x = x_.clone().set_requires_grad(true);
    const at::Tensor y = silu_ ? norm_.forward_silu(x) : norm_.forward(x);
    {
      const at::NoGradGuard no_grad;
      EXPECT_TRUE(at::equal(silu_ ? norm_.forward_silu(x) : norm_.forward(x), y));
    }
    return {y, torch::autograd::grad({y}, {x}, {g_})[0]};
  }
  Result libtorch(at::ScalarType dtype) {
    const at::Tensor x = x_.to(dtype).set_requires_grad(true);
    at::Tensor y = at::group_norm(x, groups_, norm_.parameters()[0].to(dtype),
                                  norm_.parameters()[1].to(dtype), 1e-5);
    if (silu_) y = at::silu(y);
    return {y, torch::autograd::grad({y}, {x}, {g_.to(dtype)})[0]};
  }

 private:
  nn::GroupNorm norm_;
  int64_t groups_;
  bool silu_;
  at::Tensor x_;
  at::Tensor g_;
};

TEST(GroupNorm, GivesItsOwnParametersTheirGradients) {
  at::manual_seed(1);
  for (const bool silu : {false, true}) {
    nn::GroupNorm norm(4, 32, 1e-5, at::kFloat);
    const at::Tensor weight = at::randn({32}).set_requires_grad(true);
    const at::Tensor bias = at::randn({32}).set_requires_grad(true);
    norm.assign("weight", weight);
    norm.assign("bias", bias);
    const at::Tensor x =
        at::randn({3, 32, 5, 7}).contiguous(at::MemoryFormat::ChannelsLast).set_requires_grad(true);
    const at::Tensor dy = at::randn_like(x);
    const auto have = torch::autograd::grad({silu ? norm.forward_silu(x) : norm.forward(x)},
                                            {x, weight, bias}, {dy});
    const auto wide = [](const at::Tensor& t) {
      return t.detach().to(at::kDouble).set_requires_grad(true);
    };
    const at::Tensor inputs[] = {wide(x), wide(weight), wide(bias)};
    at::Tensor y = at::group_norm(inputs[0], 4, inputs[1], inputs[2], 1e-5);
    if (silu) y = at::silu(y);
    const auto want =
        torch::autograd::grad({y}, {inputs[0], inputs[1], inputs[2]}, {dy.to(at::kDouble)});
    for (size_t i = 0; i < 3; ++i) EXPECT_LE(distance(have[i], want[i]), 2e-6) << i;
  }
}

TEST(GroupNorm, IsAsExactAsLibTorchs) {
  at::manual_seed(0);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const double unit = dtype == at::kFloat ? 1e-6 : 4e-3;
    for (const int64_t channels : {32, 20}) {
      for (const std::array<int64_t, 2> size : {std::array<int64_t, 2>{1, 1}, {3, 5}, {19, 17}}) {
        for (const bool silu : {false, true}) {
          GroupNormCase each(dtype, channels, channels / 4, size, silu);
          const Result want = each.libtorch(at::kDouble);
          const Result have = each.own();
          const Result peer = each.libtorch(dtype);
          EXPECT_EQ(have.y.scalar_type(), dtype);
          EXPECT_LE(distance(have.y, want.y), unit + 2 * distance(peer.y, want.y)) << channels;
          EXPECT_LE(distance(have.dx, want.dx), unit + 2 * distance(peer.dx, want.dx)) << channels;
        }
      }
    }
  }
  at::set_num_threads(threads);
}

TEST(GroupNorm, BitsDoNotDependOnTheNumberOfThreads) {
  const int threads = at::get_num_threads();
  GroupNormCase each(at::kFloat, 32, 8, {50, 41}, /*silu=*/true);
  at::set_num_threads(1);
  const Result one = each.own();
  at::set_num_threads(3);
  const Result three = each.own();
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(one.y, three.y));
  EXPECT_TRUE(at::equal(one.dx, three.dx));
}

TEST(GroupNorm, NotANumberStaysOne) {
  nn::GroupNorm norm(2, 16, 1e-5, at::kFloat);
  norm.assign("weight", at::ones({16}));
  norm.assign("bias", at::zeros({16}));
  at::Tensor x = at::randn({1, 16, 4, 4}).contiguous(at::MemoryFormat::ChannelsLast);
  x[0][0][0][0] = NAN;
  EXPECT_TRUE(norm.forward_silu(x).isnan().any().item<bool>());
}

TEST(GroupNorm, TrainsItsWeightWhenAsked) {
  nn::GroupNorm norm(2, 16, 1e-5, at::kFloat);
  norm.assign("weight", at::ones({16}));
  norm.assign("bias", at::zeros({16}));
  for (at::Tensor& parameter : norm.parameters()) parameter.set_requires_grad(true);
  const at::Tensor x = at::randn({1, 16, 4, 4}).contiguous(at::MemoryFormat::ChannelsLast);
  norm.forward_silu(x).square().sum().backward();
  EXPECT_TRUE(norm.parameters()[0].grad().defined());
  EXPECT_TRUE(norm.parameters()[1].grad().defined());
}

}  // namespace
}  // namespace dorabooth::group_norm_test
