// Batches as pure functions of seed and micro-step.
#include "datasets/batch_source.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <set>

namespace dorabooth {
namespace {

ExampleSet examples(int64_t count, const std::string& prefix) {
  ExampleSet set;
  for (int64_t i = 0; i < count; ++i) set.captions.push_back(prefix + std::to_string(i));
  set.mean =
      at::arange(count, at::kFloat).view({count, 1, 1, 1}).expand({count, 2, 3, 3}).contiguous();
  set.std = at::zeros_like(set.mean);
  set.time_ids = at::zeros({count, 6});
  return set;
}

TEST(BatchSource, ABatchIsAPureFunctionOfSeedAndStep) {
  const BatchSource source(examples(5, "a"), std::nullopt, 3, 2, 0.5, 1000);
  const BatchSource again(examples(5, "a"), std::nullopt, 3, 2, 0.5, 1000);
  again.batch(0);
  const TrainingBatch one = source.batch(7);
  const TrainingBatch two = again.batch(7);
  EXPECT_TRUE(at::equal(one.latents, two.latents));
  EXPECT_TRUE(at::equal(one.noise, two.noise));
  EXPECT_TRUE(at::equal(one.timesteps, two.timesteps));
  EXPECT_EQ(one.captions, two.captions);
  EXPECT_FALSE(at::equal(one.noise, source.batch(8).noise));
}

TEST(BatchSource, EveryEpochShowsEveryExampleOnce) {
  const BatchSource source(examples(6, "a"), std::nullopt, 3, 2, 1.0, 1000);
  for (int64_t epoch = 0; epoch < 3; ++epoch) {
    std::multiset<std::string> seen;
    for (int64_t step = 0; step < 3; ++step) {
      for (const std::string& caption : source.batch(epoch * 3 + step).captions)
        seen.insert(caption);
    }
    EXPECT_EQ(seen.size(), 6u);
    EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), 6u);
  }
}

TEST(BatchSource, ClassRowsFollowTheInstanceRowsAndDoNotChangeThem) {
  const BatchSource plain(examples(5, "a"), std::nullopt, 3, 2, 0.5, 1000);
  const BatchSource prior(examples(5, "a"), examples(4, "c"), 3, 2, 0.5, 1000);
  const TrainingBatch one = plain.batch(4);
  const TrainingBatch two = prior.batch(4);
  EXPECT_EQ(two.instance_rows, 2);
  ASSERT_EQ(two.latents.size(0), 4);
  EXPECT_TRUE(at::equal(one.noise, two.noise.slice(0, 0, 2)));
  EXPECT_TRUE(at::equal(one.latents, two.latents.slice(0, 0, 2)));
  EXPECT_EQ(two.captions[2][0], 'c');
  EXPECT_FALSE(at::equal(two.noise.slice(0, 0, 2), two.noise.slice(0, 2, 4)));
}

TEST(BatchSource, LatentsAreScaled) {
  const BatchSource source(examples(1, "a"), std::nullopt, 3, 1, 0.25, 1000);
  ExampleSet set = examples(1, "a");
  set.mean.fill_(2.0);
  const BatchSource twos(std::move(set), std::nullopt, 3, 1, 0.25, 1000);
  EXPECT_TRUE(at::equal(twos.batch(0).latents, at::full({1, 2, 3, 3}, 0.5)));
}

}  // namespace
}  // namespace dorabooth
