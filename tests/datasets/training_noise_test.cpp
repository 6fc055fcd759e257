// Noise and timesteps beyond the plain ones: their statistics, and that each draw is a pure
// function of seed and step.
#include "datasets/training_noise.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <map>

#include "datasets/batch_source.h"
#include "src/base/error.h"
#include "tests/datasets/example_sets.h"

namespace dorabooth::training_noise_test {
namespace {

at::Tensor plain_noise(int64_t step, at::IntArrayRef sizes) {
  at::Tensor values = at::empty(sizes, at::kFloat);
  RandomStream(5, "plain")
      .normal(static_cast<uint64_t>(step), 0,
              std::span<float>(values.data_ptr<float>(), static_cast<size_t>(values.numel())));
  return values;
}

TEST(TrainingNoise, PlainOptionsChangeNoBit) {
  const at::Tensor plain = plain_noise(0, {4, 8, 8});
  const RowNoise noise = training_noise({}, plain, 5, "instance", 0, 0);
  EXPECT_TRUE(noise.target.is_same(plain));
  EXPECT_TRUE(noise.input.is_same(plain));
}

TEST(TrainingNoise, AnOffsetIsOneValueAChannel) {
  NoiseOptions options;
  options.offset = 0.5;
  const at::Tensor plain = plain_noise(0, {4, 8, 8});
  const RowNoise noise = training_noise(options, plain, 5, "instance", 3, 1);
  const at::Tensor offset = noise.target - plain;
  EXPECT_LT((offset - offset.select(1, 0).select(1, 0).view({4, 1, 1})).abs().max().item<float>(),
            1e-6f);
  EXPECT_GT(offset.select(1, 0).select(1, 0).std().item<float>(), 0.0f);
  EXPECT_TRUE(noise.input.is_same(noise.target));
  double square = 0;
  for (int64_t step = 0; step < 400; ++step) {
    const RowNoise drawn = training_noise(options, at::zeros({4, 1, 1}), 5, "instance", step, 0);
    square += drawn.target.square().mean().item<double>();
  }
  EXPECT_NEAR(square / 400, 0.25, 0.03);
}

TEST(TrainingNoise, APerturbationIsOnTheInputAlone) {
  NoiseOptions options;
  options.perturbation = 0.1;
  const at::Tensor plain = plain_noise(0, {4, 32, 32});
  const RowNoise noise = training_noise(options, plain, 5, "instance", 0, 0);
  EXPECT_TRUE(at::equal(noise.target, plain));
  EXPECT_NEAR((noise.input - plain).std().item<float>(), 0.1, 0.005);
}

TEST(TrainingNoise, CoarserLevelsMakeNeighboursAlikeAtTheSameVariance) {
  NoiseOptions options;
  options.multires_iterations = 6;
  options.multires_discount = 0.8;
  const at::Tensor plain = plain_noise(0, {4, 64, 64});
  const at::Tensor noise = training_noise(options, plain, 5, "instance", 0, 0).target;
  EXPECT_NEAR(noise.std().item<float>(), 1.0, 1e-4);
  const auto likeness = [](const at::Tensor& x) {
    return (x.slice(2, 1) * x.slice(2, 0, 63)).mean().item<double>();
  };
  EXPECT_LT(std::abs(likeness(plain)), 0.05);
  EXPECT_GT(likeness(noise), 0.3);
  EXPECT_TRUE(at::equal(noise, training_noise(options, plain, 5, "instance", 0, 0).target));
  EXPECT_FALSE(at::equal(noise, training_noise(options, plain, 5, "instance", 1, 0).target));
}

std::map<int64_t, int> histogram(const TimestepOptions& options, int64_t count, int64_t bins) {
  const TimestepDraws draws(options, 1000);
  const RandomStream stream(7, "instance/timestep");
  std::map<int64_t, int> result;
  for (int64_t step = 0; step < count; ++step) ++result[draws.draw(stream, step, 0) * bins / 1000];
  return result;
}

TEST(TimestepDraws, AreUniformAndThePlainOnesByDefault) {
  const TimestepDraws draws({}, 1000);
  const RandomStream stream(7, "instance/timestep");
  for (int64_t step = 0; step < 50; ++step) {
    EXPECT_EQ(draws.draw(stream, step, 2), stream.integer(static_cast<uint64_t>(step), 2, 1000));
  }
}

TEST(TimestepDraws, StayInTheirRange) {
  TimestepOptions options;
  options.min_timestep = 300;
  options.max_timestep = 700;
  for (const char* distribution : {"uniform", "logit_normal"}) {
    options.distribution = distribution;
    const auto bins = histogram(options, 2000, 10);
    EXPECT_EQ(bins.begin()->first, 3);
    EXPECT_EQ(bins.rbegin()->first, 6);
  }
  options.min_timestep = 700;
  EXPECT_THROW(TimestepDraws(options, 1000), Error);
}

TEST(TimestepDraws, ABiasDrawsItsPortionMoreOften) {
  TimestepOptions options;
  options.bias_multiplier = 3;
  options.bias_portion = 0.25;
  options.bias_begin = 500;
  options.bias_end = 750;
  const std::map<std::string, int64_t> biased = {{"earlier", 0}, {"range", 2}, {"later", 3}};
  for (const auto& [strategy, quarter] : biased) {
    options.bias_strategy = strategy;
    for (const auto& [bin, count] : histogram(options, 6000, 4)) {
      // Weights 3 to 1 to 1 to 1.
      EXPECT_NEAR(count, bin == quarter ? 3000 : 1000, 150) << strategy << " " << bin;
    }
  }
  options.bias_strategy = "middle";
  EXPECT_THROW(TimestepDraws(options, 1000), Error);
}

TEST(TimestepDraws, LogitNormalGathersInTheMiddle) {
  TimestepOptions options;
  options.distribution = "logit_normal";
  const auto bins = histogram(options, 6000, 4);
  // P(|N| < ln 3) of a logit beyond the outer quarters.
  EXPECT_NEAR(bins.at(1) + bins.at(2), 6000 * 0.728, 150);
  options.logit_mean = 1.0;
  const auto shifted = histogram(options, 6000, 4);
  EXPECT_GT(shifted.at(3), shifted.at(0) * 5);
}

TEST(BatchSource, TheInputsNoiseIsApartOnlyWhereItDiffers) {
  const ExampleSet set = testing::examples(2, "a");
  BatchOptions options = testing::batches_of(2);
  EXPECT_FALSE(BatchSource(set, std::nullopt, options).batch(0).input_noise.defined());
  options.noise.perturbation = 0.1;
  const TrainingBatch batch = BatchSource(set, std::nullopt, options).batch(0);
  ASSERT_TRUE(batch.input_noise.defined());
  EXPECT_FALSE(at::equal(batch.noise, batch.input_noise));
}

}  // namespace
}  // namespace dorabooth::training_noise_test
