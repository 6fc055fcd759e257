// Checkpointed segments give the gradients of plain ones, to inputs and to explicit parameters.
#include "src/nn/checkpointing.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/nn/golden_model.h"

namespace dorabooth::checkpointing_test {
namespace {

struct Leaf {
  at::Tensor x = at::randn({3, 4}, at::kDouble).set_requires_grad(true);
  at::Tensor weight = at::randn({4, 4}, at::kDouble).set_requires_grad(true);
};

TEST(Checkpointing, GradientsEqualThoseWithoutIt) {
  Leaf leaf;
  const auto segment = [&](const std::vector<at::Tensor>& inputs) {
    return at::tanh(inputs[0].mm(leaf.weight)).mul(inputs[0]);
  };
  segment({leaf.x}).square().sum().backward();
  const at::Tensor dx = leaf.x.grad().clone();
  const at::Tensor dw = leaf.weight.grad().clone();
  leaf.x.mutable_grad().zero_();
  leaf.weight.mutable_grad().zero_();
  nn::checkpoint(segment, {leaf.x}, {leaf.weight}).square().sum().backward();
  EXPECT_TRUE(at::equal(leaf.x.grad(), dx));
  EXPECT_TRUE(at::equal(leaf.weight.grad(), dw));
}

TEST(Checkpointing, TrainsParametersBehindAFrozenInput) {
  Leaf leaf;
  const at::Tensor frozen = leaf.x.detach();
  const auto segment = [&](const std::vector<at::Tensor>& inputs) {
    return at::tanh(inputs[0].mm(leaf.weight));
  };
  const at::Tensor y = nn::checkpoint(segment, {frozen}, {leaf.weight});
  ASSERT_TRUE(y.requires_grad());
  y.sum().backward();
  EXPECT_GT(leaf.weight.grad().abs().max().item<double>(), 0.0);
}

TEST(Checkpointing, SegmentsNestAndChain) {
  Leaf leaf;
  const auto inner = [&](const std::vector<at::Tensor>& inputs) {
    return at::sin(inputs[0].mm(leaf.weight));
  };
  const auto outer = [&](const std::vector<at::Tensor>& inputs) {
    return nn::checkpoint(inner, {nn::checkpoint(inner, inputs, {leaf.weight})}, {leaf.weight});
  };
  inner({inner({leaf.x})}).sum().backward();
  const at::Tensor dw = leaf.weight.grad().clone();
  leaf.weight.mutable_grad().zero_();
  nn::checkpoint(outer, {leaf.x}, {leaf.weight}).sum().backward();
  EXPECT_TRUE(at::allclose(leaf.weight.grad(), dw, 1e-12, 1e-12));
}

TEST(Checkpointing, RunsOnceWithoutAGraph) {
  Leaf leaf;
  int runs = 0;
  const auto segment = [&](const std::vector<at::Tensor>& inputs) {
    ++runs;
    return inputs[0] + 1;
  };
  const at::NoGradGuard no_grad;
  EXPECT_FALSE(nn::checkpoint(segment, {leaf.x}, {leaf.weight}).requires_grad());
  EXPECT_EQ(runs, 1);
}

TEST(Checkpointing, TrainableTensorsAreOwnParametersAndAdapters) {
  nn::Linear linear(3, 5, /*bias=*/true, at::kFloat);
  EXPECT_TRUE(nn::trainable_tensors(linear).empty());
  {
    testing::AttachedAdapters adapters(linear, [](const std::string&) { return true; });
    EXPECT_EQ(nn::trainable_tensors(linear).size(), 2u);
  }
  linear.parameters()[0].set_requires_grad(true);
  EXPECT_EQ(nn::trainable_tensors(linear).size(), 1u);
}

}  // namespace
}  // namespace dorabooth::checkpointing_test
