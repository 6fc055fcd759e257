// Frozen convolutions against LibTorch's: packed or not, the same bits; gradients; what happens to
// the weight.
#include "src/nn/conv2d.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "src/ops/dense_product.h"
#include "tests/nn/meta_kernels.h"
#include "tests/support/fixtures.h"
#include "tests/support/golden_tensors.h"

namespace dorabooth::nn::conv2d_test {
namespace {

using testing::expect_close;
using testing::message_of;

constexpr Window kWide{3, 1, 1};
constexpr Window kPoint{1, 1, 0};
constexpr Window kHalving{3, 2, 1};
// The VAE's, whose input is padded before.
constexpr Window kHalvingUnpadded{3, 2, 0};

void randomize(torch::nn::Module& model) {
  for (const LayerParameter& parameter : layer_parameters(model)) {
    parameter.layer->assign(parameter.name, 0.3 * at::randn_like(parameter.value));
  }
}

// Input and output channels of a 3x3 weight that is packed in both types.
constexpr int64_t kPackedChannels = 304;

// What LibTorch makes of x and, given dy, its gradient; in fp64.
struct Reference {
  at::Tensor y;
  at::Tensor dx;
};
Reference reference(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                    const Window& window, const at::Tensor& dy) {
  const at::Tensor wide = x.detach().to(at::kDouble).requires_grad_();
  const at::Tensor y =
      at::conv2d(wide, weight.to(at::kDouble), bias.to(at::kDouble), window.stride, window.padding);
  y.backward(dy.to(at::kDouble).expand_as(y));
  return {y.detach(), wide.grad()};
}

void expect_reference(Conv2d& convolution, const Window& window, at::IntArrayRef sizes,
                      at::MemoryFormat format, at::ScalarType type) {
  SCOPED_TRACE(::testing::Message()
               << window.size << " stride " << window.stride << " at " << sizes << " " << type);
  const at::Tensor weight = convolution.weight();
  const at::Tensor bias = convolution.parameters()[1];
  const at::Tensor x = at::randn(sizes).to(type).contiguous(format).requires_grad_();
  const at::Tensor y = convolution.forward(x);
  EXPECT_EQ(y.scalar_type(), type);
  EXPECT_TRUE(y.is_contiguous(at::MemoryFormat::ChannelsLast));
  const at::Tensor dy = at::randn_like(y);
  y.backward(dy);
  const Reference want = reference(x, weight, bias, window, dy);
  const double tolerance = type == at::kFloat ? 1e-5 : 2e-2;
  expect_close(y.detach().to(at::kDouble), want.y, tolerance, tolerance, "y");
  expect_close(x.grad().to(at::kDouble), want.dx, tolerance, tolerance, "dx");
}

TEST(Conv2d, EqualsTheReferenceInEveryShape) {
  at::manual_seed(1);
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    for (const Window& window : {kWide, kPoint, kHalving, kHalvingUnpadded}) {
      for (const int64_t channels : {1, 6, 32}) {
        Conv2d convolution(channels, 16, window, type);
        randomize(convolution);
        // The second is too large to be packed for; the weight stays packed from the first.
        for (const std::vector<int64_t>& sizes :
             std::vector<std::vector<int64_t>>{{2, channels, 7, 9},
                                               {1, channels, 65, 70},
                                               {1, channels, 8, 8},
                                               {3, channels, 3, 4}}) {
          for (const auto format : {at::MemoryFormat::ChannelsLast, at::MemoryFormat::Contiguous}) {
            expect_reference(convolution, window, sizes, format, type);
          }
        }
      }
    }
  }
}

// Nothing may depend on which calls came before.
TEST(Conv2d, BitsDoNotDependOnWhatTheWeightWasPackedFor) {
  at::manual_seed(2);
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    for (const Window& window : {kWide, kPoint, kHalving}) {
      const int64_t channels = window.size == 1 ? 900 : kPackedChannels;
      const at::Tensor weight = at::randn({channels, channels, window.size, window.size})
                                    .to(type)
                                    .contiguous(at::MemoryFormat::ChannelsLast);
      std::vector<at::Tensor> inputs;
      for (const auto& [height, width] :
           std::vector<std::pair<int64_t, int64_t>>{{70, 66}, {8, 8}, {16, 12}, {24, 24}}) {
        inputs.push_back(at::randn({1, channels, height, width}).to(type));
      }
      inputs.push_back(at::randn({2, channels, 8, 8}).to(type));
      const auto both = [&](ConvolutionWeight& one, const at::Tensor& x) {
        const at::Tensor y = one.forward(x, {});
        return std::pair(y, one.backward(y.sin(), x.sizes()));
      };
      ConvolutionWeight used(weight, window);
      for (const size_t i : {1, 2, 0, 3, 4, 0, 1}) {
        ConvolutionWeight fresh(weight, window);
        const auto want = both(fresh, inputs[i]);
        EXPECT_EQ(fresh.is_packed(), i != 0 && cpu_multiplies(type));
        const auto have = both(used, inputs[i]);
        EXPECT_TRUE(at::equal(have.first, want.first)) << i;
        EXPECT_TRUE(at::equal(have.second, want.second)) << i;
        EXPECT_TRUE(at::equal(used.plain(), weight));
      }
    }
  }
}

TEST(Conv2d, HalvesThatTheCpuCannotMultiplyAreWidened) {
  at::manual_seed(3);
  for (const at::ScalarType type : {at::kBFloat16, at::kHalf}) {
    // One rounding of an fp32 result, and what fp32 sums lose.
    const double rounding = type == at::kHalf ? 6e-4 : 4e-3;
    for (const Window& window : {kWide, kPoint, kHalving, kHalvingUnpadded}) {
      const at::Tensor weight = at::randn({24, 40, window.size, window.size})
                                    .to(type)
                                    .contiguous(at::MemoryFormat::ChannelsLast);
      const at::Tensor bias = at::randn({24}).to(type);
      const at::Tensor x = at::randn({2, 40, 9, 13}).to(type);
      ConvolutionWeight widened(weight, window, /*widens=*/true);
      const at::Tensor y = widened.forward(x, bias);
      const at::Tensor dy = at::randn_like(y);
      const at::Tensor dx = widened.backward(dy, x.sizes());
      EXPECT_EQ(y.scalar_type(), type);
      EXPECT_EQ(dx.scalar_type(), type);
      EXPECT_FALSE(widened.is_packed());
      EXPECT_TRUE(at::equal(widened.plain(), weight));
      const Reference want = reference(x, weight, bias, window, dy);
      expect_close(y.to(at::kDouble), want.y, 1e-4, rounding, "y");
      expect_close(dx.to(at::kDouble), want.dx, 1e-4, rounding, "dx");
    }
  }
}

TEST(Conv2d, APackedWeightIsGivenBackBitForBit) {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    if (!cpu_multiplies(type)) continue;  // never packed
    for (const Window& window : {kWide, kHalving}) {
      Conv2d convolution(kPackedChannels, kPackedChannels, window, type);
      randomize(convolution);
      const at::Tensor weight = convolution.weight().clone();
      const at::Tensor x = at::randn({1, kPackedChannels, 8, 8}).to(type);
      const at::Tensor y = convolution.forward(x);
      EXPECT_TRUE(convolution.parameters()[0].is_meta());  // one copy is enough
      EXPECT_TRUE(at::equal(convolution.weight(), weight));
      convolution.forward(at::randn({1, kPackedChannels, 70, 64}).to(type));  // not packed for
      EXPECT_TRUE(at::equal(convolution.forward(x), y));
      EXPECT_TRUE(at::equal(layer_parameters(convolution)[0].value, weight));
      EXPECT_TRUE(at::equal(convolution.parameters()[0], weight));
      EXPECT_TRUE(at::equal(convolution.forward(x), y));
    }
  }
}

TEST(Conv2d, AWeightAssignedAnewCounts) {
  Conv2d convolution(8, 8, kWide, at::kBFloat16);
  for (int i = 0; i < 2; ++i) {
    randomize(convolution);
    expect_reference(convolution, kWide, {1, 8, 8, 8}, at::MemoryFormat::Contiguous, at::kBFloat16);
    convolution.assign("bias", at::randn({8}).to(at::kBFloat16));
    expect_reference(convolution, kWide, {1, 8, 8, 8}, at::MemoryFormat::Contiguous, at::kBFloat16);
  }
}

TEST(Conv2d, TrainsAWeightThatWasPacked) {
  Conv2d convolution(4, 4, kWide, at::kBFloat16);
  randomize(convolution);
  const at::Tensor x = at::randn({1, 4, 5, 5}).to(at::kBFloat16);
  const at::Tensor y = convolution.forward(x);
  const at::Tensor weight = layer_parameters(convolution)[0].value.set_requires_grad(true);
  expect_close(convolution.forward(x).detach(), y, 2e-2, 2e-2, "y");
  convolution.forward(x).sum().backward();
  EXPECT_TRUE(weight.grad().defined());
}

TEST(Conv2d, AShapeWithoutMemoryCannotBeToldToTrain) {
  Conv2d convolution(kPackedChannels, kPackedChannels, kWide, at::kFloat);
  randomize(convolution);
  const at::Tensor x = at::randn({1, kPackedChannels, 5, 5});
  convolution.forward(x);
  convolution.parameters()[0].set_requires_grad(true);
  EXPECT_NE(message_of([&] { convolution.forward(x); }).find("layer_parameters"),
            std::string::npos);
}

TEST(Conv2d, OtherTypesAndDevicesGoToLibtorch) {
  Conv2d on_meta(4, 6, kHalving, at::TensorOptions().device(at::kMeta).dtype(at::kBFloat16));
  const at::Tensor shape =
      on_meta.forward(at::empty({2, 4, 8, 8}, at::device(at::kMeta).dtype(at::kBFloat16)));
  EXPECT_EQ(shape.sizes(), at::IntArrayRef({2, 6, 4, 4}));
  EXPECT_EQ(on_meta.weight().sizes(), at::IntArrayRef({6, 4, 3, 3}));
  Conv2d in_double(4, 6, kWide, at::kDouble);
  randomize(in_double);
  const at::Tensor x = at::randn({2, 4, 5, 5}, at::kDouble).requires_grad_();
  const at::Tensor y = in_double.forward(x);
  y.sum().backward();
  const Reference want =
      reference(x, in_double.weight(), in_double.parameters()[1], kWide, at::ones({1}));
  EXPECT_TRUE(at::allclose(y, want.y));
  EXPECT_TRUE(at::allclose(x.grad(), want.dx));
  EXPECT_FALSE(in_double.parameters()[0].is_meta());
}

TEST(Conv2d, AnEmptyBatchHasAnEmptyResult) {
  Conv2d convolution(4, 4, kWide, at::kFloat);
  randomize(convolution);
  EXPECT_EQ(convolution.forward(at::zeros({0, 4, 5, 5})).sizes(), at::IntArrayRef({0, 4, 5, 5}));
}

TEST(Conv2d, KeepsNoInputWhenFrozen) {
  Conv2d convolution(4, 4, {}, at::kFloat);
  randomize(convolution);
  at::Tensor x = at::randn({1, 4, 5, 5}).set_requires_grad(true);
  at::Tensor copy = x * 1;
  const at::Tensor y = convolution.forward(copy);
  copy.zero_();  // would be an error in the backward pass if it had been saved
  y.sum().backward();
  EXPECT_TRUE(x.grad().defined());
}

TEST(Conv2d, TrainsItsWeightWhenAsked) {
  Conv2d convolution(4, 4, {}, at::kFloat);
  randomize(convolution);
  convolution.parameters()[0].set_requires_grad(true);
  convolution.forward(at::randn({1, 4, 5, 5})).sum().backward();
  EXPECT_TRUE(convolution.parameters()[0].grad().defined());
}

TEST(Conv2d, WrongChannelsAreNamed) {
  Conv2d convolution(4, 4, {}, at::kFloat);
  EXPECT_NE(message_of([&] {
              convolution.forward(at::zeros({1, 9, 5, 5}));
            }).find("[1,9,5,5]"),
            std::string::npos);
}

}  // namespace
}  // namespace dorabooth::nn::conv2d_test
