// Losses, weights and targets against values worked out by hand.
#include "src/objective/loss.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "src/base/error.h"
#include "src/objective/target.h"

namespace dorabooth::loss_test {
namespace {

// Betas that make the cumulative alphas 0.8, 0.4, 0.1: snr 4, 2/3, 1/9.
Ddpm three_steps() {
  SchedulerConfig config;
  config.num_train_timesteps = 3;
  config.trained_betas = std::vector<double>{0.2, 0.5, 0.75};
  return Ddpm(config);
}

at::Tensor rows(const std::vector<float>& values, int64_t width) {
  return at::tensor(values).view({-1, width});
}

void expect_values(const at::Tensor& actual, const std::vector<float>& expected) {
  ASSERT_EQ(actual.numel(), static_cast<int64_t>(expected.size()));
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(actual.flatten()[static_cast<int64_t>(i)].item<float>(), expected[i],
                1e-5 * std::abs(expected[i]) + 1e-6)
        << i;
  }
}

TEST(Target, IsNoiseVelocityOrSample) {
  const Ddpm ddpm = three_steps();
  const at::Tensor x0 = rows({2, -1}, 1);
  const at::Tensor noise = rows({3, 5}, 1);
  const at::Tensor timesteps = at::tensor(std::vector<int64_t>{0, 1});
  expect_values(training_target("epsilon", ddpm, x0, noise, timesteps), {3, 5});
  expect_values(training_target("sample", ddpm, x0, noise, timesteps), {2, -1});
  expect_values(
      training_target("v_prediction", ddpm, x0, noise, timesteps),
      {std::sqrt(0.8f) * 3 - std::sqrt(0.2f) * 2, std::sqrt(0.4f) * 5 + std::sqrt(0.6f) * 1});
  EXPECT_THROW(training_target("flow", ddpm, x0, noise, timesteps), Error);
}

TEST(Loss, IsTheMeanOverRowsOfTheWeightedMeanSquare) {
  const at::Tensor prediction = rows({1, 2, 3, 4}, 2);
  const at::Tensor target = rows({0, 0, 3, 2}, 2);
  expect_values(mse_by_sample(prediction, target), {2.5, 2});
  expect_values(weighted_mse(prediction, target, {}), {2.25});
  expect_values(weighted_mse(prediction, target, at::tensor(std::vector<float>{2, 0.5})), {3});
}

TEST(Loss, IsComputedInFp32) {
  // 1 + 2^-7 squared difference would vanish in bf16 sums.
  const at::Tensor prediction = at::full({1, 1000}, 1.0078125, at::kBFloat16);
  const at::Tensor loss = weighted_mse(prediction, at::zeros({1, 1000}), {});
  EXPECT_EQ(loss.scalar_type(), at::kFloat);
  EXPECT_NEAR(loss.item<float>(), 1.0078125 * 1.0078125, 1e-5);
}

TEST(Loss, OtherShapesAreRefused) {
  EXPECT_THROW(mse_by_sample(at::zeros({2, 3}), at::zeros({2, 4})), Error);
  EXPECT_THROW(weighted_mse(at::zeros({2, 3}), at::zeros({2, 3}), at::ones({3})), Error);
}

// snr of three_steps: 0.8/0.2, 0.4/0.6 and what its third step has.
TEST(Huber, ThresholdsFollowTheirSchedule) {
  const Ddpm ddpm = three_steps();
  const at::Tensor timesteps = at::tensor(std::vector<int64_t>{0, 1});
  expect_values(huber_thresholds({"huber", "constant", 0.1}, ddpm, timesteps), {0.1f, 0.1f});
  // exp(ln(0.1)/3 · t)
  expect_values(huber_thresholds({"huber", "exponential", 0.1}, ddpm, timesteps),
                {1.0f, std::pow(0.1f, 1.0f / 3)});
  const auto by_snr = [](double snr) {
    const double sigma = std::sqrt(1 / snr);
    return static_cast<float>(0.9 / ((1 + sigma) * (1 + sigma)) + 0.1);
  };
  expect_values(huber_thresholds({"huber", "snr", 0.1}, ddpm, timesteps),
                {by_snr(4), by_snr(0.4 / 0.6)});
  EXPECT_THROW(huber_thresholds({"huber", "linear", 0.1}, ddpm, timesteps), Error);
  EXPECT_THROW(huber_thresholds({"huber", "constant", 0}, ddpm, timesteps), Error);
}

TEST(Huber, IsASquareNearZeroAndALineFarAway) {
  const Ddpm ddpm = three_steps();
  const at::Tensor timesteps = at::tensor(std::vector<int64_t>{0, 1});
  const at::Tensor prediction = rows({0.001f, 100}, 1);
  const at::Tensor target = at::zeros({2, 1});
  const float c = 0.5f;
  const auto distance = [&](double d) { return static_cast<float>(std::sqrt(d * d + 0.25) - 0.5); };
  expect_values(error_by_sample({"huber", "constant", 0.5}, ddpm, prediction, target, timesteps),
                {2 * c * distance(0.001), 2 * c * distance(100)});
  expect_values(
      error_by_sample({"smooth_l1", "constant", 0.5}, ddpm, prediction, target, timesteps),
      {2 * distance(0.001), 2 * distance(100)});
  expect_values(error_by_sample({"l2", "constant", 0.5}, ddpm, prediction, target, timesteps),
                {1e-6f, 1e4f});
  EXPECT_THROW(error_by_sample({"l1", "snr", 0.1}, ddpm, prediction, target, timesteps), Error);
}

TEST(TrainingLoss, DebiasedWeightsAreTheRootOfOneOverSnr) {
  ObjectiveConfig config;
  config.debiased_estimation = true;
  const at::Tensor timesteps = at::tensor(std::vector<int64_t>{0, 1});
  const TrainingLoss loss =
      training_loss(config, three_steps(), rows({1, 1}, 1), at::zeros({2, 1}), timesteps, 0);
  expect_values(loss.total,
                {static_cast<float>((1 / std::sqrt(4.0) + 1 / std::sqrt(0.4 / 0.6)) / 2)});
}

// As the scripts compute it: x0 from the UNet's output at noise level sigma, and sigma^-2 times its
// squared error.
TEST(TrainingLoss, EdmStyleIsTheErrorOfX0OverSigmaSquared) {
  const Ddpm ddpm = three_steps();
  const std::vector<float> alphas = {0.8f, 0.4f, 0.1f};
  const std::vector<float> x0 = {2, -1, 0.5f};
  const std::vector<float> noise = {3, 5, -2};
  const std::vector<float> output = {1, -2, 0.7f};
  const at::Tensor timesteps = at::tensor(std::vector<int64_t>{0, 1, 2});
  for (const std::string type : {"epsilon", "v_prediction"}) {
    float expected = 0;
    for (size_t i = 0; i < 3; ++i) {
      const float sigma = std::sqrt((1 - alphas[i]) / alphas[i]);
      const float noisy = x0[i] + sigma * noise[i];
      const float scale = sigma * sigma + 1;
      const float predicted = type == "epsilon"
                                  ? noisy - sigma * output[i]
                                  : noisy / scale - output[i] * sigma / std::sqrt(scale);
      expected += (predicted - x0[i]) * (predicted - x0[i]) / (sigma * sigma) / 3;
    }
    ObjectiveConfig config;
    config.prediction_type = type;
    config.edm = true;
    const at::Tensor target = training_target(type, ddpm, rows(x0, 1), rows(noise, 1), timesteps);
    expect_values(training_loss(config, ddpm, rows(output, 1), target, timesteps, 0).total,
                  {expected});
  }
}

TEST(MinSnr, CapsTheWeightOfEasyTimesteps) {
  const at::Tensor snr = at::tensor(std::vector<float>{20, 5, 0.5, 0});
  expect_values(min_snr_weights(snr, 5, "epsilon", SnrForm::kAddOne), {0.25, 1, 1, 1});
  expect_values(min_snr_weights(snr, 5, "v_prediction", SnrForm::kAddOne), {1.25, 2, 2, 2});
  expect_values(min_snr_weights(snr, 5, "v_prediction", SnrForm::kPaper),
                {5.0f / 21, 5.0f / 6, 0.5f / 1.5f, 0});
  expect_values(min_snr_weights(snr, 5, "sample", SnrForm::kPaper), {5, 5, 0.5, 0});
  EXPECT_THROW(min_snr_weights(snr, 0, "epsilon", SnrForm::kAddOne), Error);
}

// Two instance rows of two pixels and a class row; errors 1 and 4, 9 and 16, 25 and 36.
TEST(TrainingLoss, MasksAndRowWeightsAreTheInstanceRowsAlone) {
  const Ddpm ddpm = three_steps();
  const at::Tensor prediction = at::tensor({1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f}).view({3, 1, 1, 2});
  const at::Tensor target = at::zeros_like(prediction);
  const at::Tensor timesteps = at::tensor(std::vector<int64_t>{0, 1, 2});
  GivenWeights given;
  given.masks = at::tensor({1.0f, 0.0f, 0.5f, 0.25f}).view({2, 1, 1, 2});
  given.rows = at::tensor({1.0f, 0.5f});
  for (const char* type : {"l2", "huber"}) {
    ObjectiveConfig config;
    config.error.loss_type = type;
    const TrainingLoss plain = training_loss(config, ddpm, prediction, target, timesteps, 1);
    const TrainingLoss masked =
        training_loss(config, ddpm, prediction, target, timesteps, 1, given);
    EXPECT_EQ(plain.prior.item<float>(), masked.prior.item<float>());
    if (std::string(type) != "l2") continue;
    EXPECT_FLOAT_EQ(masked.prior.item<float>(), (25 + 36) / 2.0f);
    const float first = (1 + 0) / 2.0f;
    const float second = (9 * 0.5f + 16 * 0.25f) / 2.0f;
    EXPECT_FLOAT_EQ(masked.instance.item<float>(), (first + 0.5f * second) / 2);
  }
}

TEST(TrainingLoss, AddsTheWeightedLossOfTheClassRows) {
  ObjectiveConfig config;
  config.prior_loss_weight = 0.5;
  const at::Tensor prediction = rows({1, 2, 3, 4}, 1);
  const at::Tensor target = at::zeros({4, 1});
  const at::Tensor timesteps = at::tensor(std::vector<int64_t>{0, 1, 2, 0});
  const TrainingLoss loss = training_loss(config, three_steps(), prediction, target, timesteps, 2);
  expect_values(loss.instance, {2.5});
  expect_values(loss.prior, {12.5});
  expect_values(loss.total, {8.75});
  const TrainingLoss without =
      training_loss(config, three_steps(), prediction, target, timesteps, 0);
  expect_values(without.total, {7.5});
  EXPECT_FALSE(without.prior.defined());
}

TEST(TrainingLoss, MinSnrWeighsInstanceRowsOnly) {
  ObjectiveConfig config;
  config.snr_gamma = 1;
  const at::Tensor prediction = rows({1, 2, 3}, 1);
  const at::Tensor timesteps = at::tensor(std::vector<int64_t>{0, 1, 0});
  const TrainingLoss loss =
      training_loss(config, three_steps(), prediction, at::zeros({3, 1}), timesteps, 1);
  // snr 4 gives weight 1/4, snr 2/3 gives 1.
  expect_values(loss.instance, {(0.25f * 1 + 1 * 4) / 2});
  expect_values(loss.prior, {9});
}

TEST(TrainingLoss, GradientsReachThePrediction) {
  const at::Tensor prediction = rows({1, 2}, 1).requires_grad_();
  const at::Tensor timesteps = at::tensor(std::vector<int64_t>{0, 1});
  training_loss({}, three_steps(), prediction, at::zeros({2, 1}), timesteps, 0).total.backward();
  expect_values(prediction.grad(), {1, 2});
}

TEST(TrainingLoss, ABatchOfClassRowsOnlyIsRefused) {
  const at::Tensor timesteps = at::tensor(std::vector<int64_t>{0, 1});
  EXPECT_THROW(training_loss({}, three_steps(), at::zeros({2, 1}), at::zeros({2, 1}), timesteps, 2),
               Error);
}

}  // namespace
}  // namespace dorabooth::loss_test
