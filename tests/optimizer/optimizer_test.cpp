// Contracts of the optimizers that need no golden data.
#include "src/optimizer/optimizer.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <cmath>

#include "src/base/error.h"
#include "src/optimizer/lr_schedule.h"
#include "tests/support/fixtures.h"

namespace dorabooth::optimizer_test {
namespace {

using testing::message_of;
using Maker = std::unique_ptr<Optimizer> (*)(std::vector<ParameterGroup>);

std::unique_ptr<Optimizer> adamw(std::vector<ParameterGroup> groups) {
  return make_adamw(std::move(groups), {});
}

std::unique_ptr<Optimizer> prodigy(std::vector<ParameterGroup> groups) {
  ProdigyOptions options;
  options.d0 = 1e-2;
  return make_prodigy(std::move(groups), options);
}

at::Tensor parameter_of(uint64_t seed, at::IntArrayRef sizes) {
  return at::randn(sizes, at::detail::createCPUGenerator(seed), at::kFloat).requires_grad_();
}

ParameterGroup group_of(const std::vector<at::Tensor>& parameters) {
  ParameterGroup group;
  group.name = "unet";
  group.learning_rate = 0.1;
  group.weight_decay = 0.01;
  for (const at::Tensor& parameter : parameters) {
    group.parameters.emplace_back("p" + std::to_string(group.parameters.size()), parameter);
  }
  return group;
}

void train(Optimizer& optimizer, const std::vector<at::Tensor>& parameters, int64_t from,
           int64_t to) {
  for (int64_t step = from; step < to; ++step) {
    optimizer.zero_grad();
    for (const at::Tensor& parameter : parameters) {
      (parameter - static_cast<double>(step % 3)).square().sum().backward();
    }
    optimizer.clip(1.0);
    optimizer.step(1.0 / static_cast<double>(step + 1));
  }
}

TEST(Optimizer, ParametersKeepTheirIdentityAndValuesInFlatStorage) {
  const at::Tensor a = parameter_of(1, {3, 5});
  const at::Tensor before = a.detach().clone();
  const void* impl = a.unsafeGetTensorImpl();
  const auto optimizer = adamw({group_of({a, parameter_of(2, {7})})});
  EXPECT_TRUE(at::equal(a, before));
  EXPECT_EQ(a.unsafeGetTensorImpl(), impl);
  EXPECT_TRUE(a.is_leaf() && a.requires_grad());
}

TEST(Optimizer, AFirstAdamWStepIsTheTextbooks) {
  // m/(1-b1) = g and v/(1-b2) = g², so the step is lr * g / (|g| + eps) after the decay.
  const at::Tensor p = at::full({1}, 2.0f).requires_grad_();
  const auto optimizer = adamw({group_of({p})});
  (3 * p).sum().backward();
  optimizer->step();
  EXPECT_NEAR(p.item<float>(), 2.0 * (1 - 0.1 * 0.01) - 0.1 * 3 / (3 + 1e-8), 1e-6);
}

TEST(Optimizer, GradientsOfSeveralBackwardPassesAddUp) {
  const at::Tensor p = parameter_of(1, {4});
  const auto optimizer = adamw({group_of({p})});
  p.sum().backward();
  (2 * p).sum().backward();
  EXPECT_NEAR(optimizer->grad_norm(), 3 * std::sqrt(4.0), 1e-6);
  optimizer->scale_gradients(0.5f);
  EXPECT_NEAR(optimizer->grad_norm(), 1.5 * std::sqrt(4.0), 1e-6);
  optimizer->zero_grad();
  EXPECT_EQ(optimizer->grad_norm(), 0);
}

TEST(Optimizer, ClippingScalesToTheLimitAndLeavesSmallGradients) {
  const at::Tensor p = at::zeros({4}).requires_grad_();
  const auto optimizer = adamw({group_of({p})});
  (3 * p).sum().backward();
  EXPECT_NEAR(optimizer->clip(1.5), 6, 1e-6);
  EXPECT_NEAR(optimizer->grad_norm(), 1.5, 1e-5);
  EXPECT_NEAR(optimizer->clip(10), 1.5, 1e-5);
  EXPECT_NEAR(optimizer->grad_norm(), 1.5, 1e-5);
  EXPECT_THROW(optimizer->clip(0), Error);
}

TEST(Optimizer, AParameterWithoutGradientIsNotEvenDecayed) {
  for (const Maker make : {adamw, prodigy}) {
    const at::Tensor trained = parameter_of(1, {5});
    const at::Tensor idle = parameter_of(2, {5});
    const at::Tensor before = idle.detach().clone();
    const auto optimizer = make({group_of({trained, idle})});
    train(*optimizer, {trained}, 0, 3);
    EXPECT_TRUE(at::equal(idle, before));
  }
}

TEST(Optimizer, AGradientOfZeroIsAGradient) {
  const at::Tensor p = at::ones({3}).requires_grad_();
  const auto optimizer = adamw({group_of({p})});
  (0 * p).sum().backward();
  optimizer->step();
  EXPECT_NEAR(p[0].item<float>(), 1 - 0.1 * 0.01, 1e-6);
}

TEST(Optimizer, AssignedGradientsAreTaken) {
  at::Tensor a = parameter_of(1, {2, 3});
  at::Tensor b = parameter_of(1, {2, 3});
  const auto first = adamw({group_of({a})});
  const auto second = adamw({group_of({b})});
  (2 * a).sum().backward();
  first->step();
  b.mutable_grad() = at::full({2, 3}, 2.0f);
  second->step();
  EXPECT_TRUE(at::equal(a, b));
}

TEST(Optimizer, GroupsHaveTheirOwnLearningRate) {
  const at::Tensor a = at::zeros({2}).requires_grad_();
  const at::Tensor b = at::zeros({2}).requires_grad_();
  ParameterGroup slow = group_of({b});
  slow.learning_rate = 0.05;
  const auto optimizer = adamw({group_of({a}), slow});
  (a.sum() + b.sum()).backward();
  optimizer->step(0.5);
  EXPECT_NEAR(a[0].item<float>(), -0.05, 1e-6);
  EXPECT_NEAR(b[0].item<float>(), -0.025, 1e-6);
}

TEST(Optimizer, AResumedRunIsTheUninterruptedOne) {
  for (const Maker make : {adamw, prodigy}) {
    const std::vector<at::Tensor> whole = {parameter_of(1, {4, 3}), parameter_of(2, {5})};
    const std::vector<at::Tensor> halves = {parameter_of(1, {4, 3}), parameter_of(2, {5})};
    const auto uninterrupted = make({group_of(whole)});
    train(*uninterrupted, whole, 0, 8);
    const auto first = make({group_of(halves)});
    train(*first, halves, 0, 5);
    const auto state = first->state();
    const auto second = make({group_of(halves)});
    second->load_state(state);
    train(*second, halves, 5, 8);
    for (size_t i = 0; i < whole.size(); ++i) EXPECT_TRUE(at::equal(whole[i], halves[i]));
  }
}

TEST(Optimizer, AStateOfOtherParametersIsRefused) {
  const auto one = adamw({group_of({parameter_of(1, {4})})});
  const auto two = adamw({group_of({parameter_of(1, {2}), parameter_of(1, {2})})});
  EXPECT_THROW(two->load_state(one->state()), Error);
  auto state = one->state();
  state.erase("exp_avg");
  const std::string message = message_of([&] { one->load_state(state); });
  EXPECT_NE(message.find("exp_avg"), std::string::npos) << message;
  // The same total, cut elsewhere.
  const auto three = adamw({group_of({parameter_of(1, {3}), parameter_of(1, {5})})});
  const auto four = adamw({group_of({parameter_of(1, {4}), parameter_of(1, {5})})});
  EXPECT_THROW(four->load_state(three->state()), Error);
}

TEST(Optimizer, WrongParametersAreNamed) {
  const at::Tensor p = parameter_of(1, {4});
  EXPECT_THROW(adamw({}), Error);
  EXPECT_THROW(adamw({group_of({p, p})}), Error);
  EXPECT_THROW(adamw({group_of({at::zeros({2})})}), Error);
  EXPECT_THROW(adamw({group_of({at::zeros({2}, at::kHalf).requires_grad_()})}), Error);
  ParameterGroup other = group_of({parameter_of(2, {4})});
  other.learning_rate = 0.05;
  EXPECT_THROW(prodigy({group_of({p}), other}), Error);
}

TEST(LrSchedule, WarmupStartsAtZeroAndAnUnknownNameIsRefused) {
  LrSchedule schedule;
  schedule.name = "linear";
  schedule.warmup_steps = 4;
  schedule.total_steps = 20;
  EXPECT_EQ(schedule.factor(0, 1e-4), 0);
  EXPECT_EQ(schedule.factor(4, 1e-4), 1);
  EXPECT_EQ(schedule.factor(20, 1e-4), 0);
  schedule.name = "cosin";
  const std::string message = message_of([&] { schedule.factor(5, 1e-4); });
  EXPECT_NE(message.find("did you mean 'cosine'"), std::string::npos) << message;
}

// The sum over two processes: one saw `a` alone, the other both.
TEST(Optimizer, StepsByTheSumOfSeveralProcessesInOneBuffer) {
  const auto losses = [](const at::Tensor& a, const at::Tensor& b) {
    return std::pair{a.square().sum(), (a + b.sum()).square().sum()};
  };
  const at::Tensor a[] = {parameter_of(1, {3}), parameter_of(1, {3}), parameter_of(1, {3})};
  const at::Tensor b[] = {parameter_of(2, {5}), parameter_of(2, {5}), parameter_of(2, {5})};
  std::vector<std::unique_ptr<Optimizer>> optimizers;
  for (size_t i = 0; i < 3; ++i) {
    optimizers.push_back(adamw({group_of({a[i], b[i]})}));
    const auto [first, second] = losses(a[i], b[i]);
    // 2 is the one process that sees all.
    if (i != 1) first.backward();
    if (i != 0) second.backward();
  }
  const at::Tensor& one = optimizers[0]->pack_gradients({1.5, 0.0});
  const at::Tensor& two = optimizers[1]->pack_gradients({2.0, 1.0});
  // 4 numbers for `a` (3 and a gap), 5 for `b` and a gap, one a parameter, and the caller's.
  EXPECT_EQ(one.numel(), 4 + 8 + 2 + static_cast<int64_t>(FlatParameters::kFurther));
  const at::Tensor sum = one + two;
  one.copy_(sum);
  two.copy_(sum);
  for (size_t i = 0; i < 3; ++i) {
    if (i < 2) {
      EXPECT_EQ(optimizers[i]->unpack_gradients(2), (std::vector<double>{3.5, 1.0}));
    }
    optimizers[i]->step();
  }
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_TRUE(at::allclose(a[i], a[2])) << i;
    EXPECT_TRUE(at::allclose(b[i], b[2])) << i;
    EXPECT_FALSE(at::allclose(b[i], parameter_of(2, {5}))) << i;
  }
}

}  // namespace
}  // namespace dorabooth::optimizer_test
