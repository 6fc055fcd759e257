// Batches as pure functions of seed and micro-step.
#include "datasets/batch_source.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/datasets/example_sets.h"

namespace dorabooth::testing::batch_source_test {
namespace {

constexpr PictureSize kWide{32, 16};
constexpr PictureSize kTall{16, 32};

// 5 wide examples and 2 tall ones.
ExampleSet two_sizes() {
  ExampleSet set = examples(5, "w", kWide);
  for (const Example& tall : examples(2, "t", kTall).examples) set.examples.push_back(tall);
  return set;
}

TEST(BatchSource, ABatchIsAPureFunctionOfSeedAndStep) {
  const BatchSource source(examples(5, "a"), std::nullopt, batches_of(2, 0.5));
  const BatchSource again(examples(5, "a"), std::nullopt, batches_of(2, 0.5));
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
  const BatchSource source(examples(6, "a"), std::nullopt, batches_of(2));
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

TEST(BatchSource, BatchesOfSeveralSizesHoldOneSizeAndEveryExampleOnceAnEpoch) {
  const BatchSource source(two_sizes(), std::nullopt, batches_of(2));
  ASSERT_EQ(source.batches_per_epoch(), 4);  // 2 + 2 + 1 wide, 2 tall
  std::set<std::vector<std::string>> epochs;
  for (int64_t epoch = 0; epoch < 5; ++epoch) {
    std::multiset<std::string> seen;
    std::vector<std::string> order;
    for (int64_t step = 0; step < 4; ++step) {
      const TrainingBatch batch = source.batch(epoch * 4 + step);
      const bool wide = batch.captions[0][0] == 'w';
      EXPECT_EQ(batch.latents.size(2), wide ? 2 : 4);
      EXPECT_EQ(batch.latents.size(3), wide ? 4 : 2);
      for (const std::string& caption : batch.captions) {
        EXPECT_EQ(caption[0], wide ? 'w' : 't');
        seen.insert(caption);
        order.push_back(caption);
      }
    }
    EXPECT_EQ(seen.size(), 7u);
    EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), 7u);
    epochs.insert(order);
  }
  EXPECT_GT(epochs.size(), 3u);
}

TEST(BatchSource, ProcessesShareTheRowsOfOneLargerBatch) {
  const BatchSource whole(two_sizes(), std::nullopt, batches_of(4));
  for (int64_t step = 0; step < 2 * whole.batches_per_epoch(); ++step) {
    const TrainingBatch all = whole.batch(step);
    std::vector<at::Tensor> latents;
    std::vector<at::Tensor> noise;
    double shares = 0;
    for (int64_t rank = 0; rank < 2; ++rank) {
      BatchOptions options = batches_of(2);
      options.share = {rank, 2};
      const TrainingBatch part = BatchSource(two_sizes(), std::nullopt, options).batch(step);
      shares += part.share;
      EXPECT_DOUBLE_EQ(part.share,
                       2.0 * static_cast<double>(part.rows()) / static_cast<double>(all.rows()));
      if (part.rows() == 0) continue;
      latents.push_back(part.latents);
      noise.push_back(part.noise);
    }
    EXPECT_DOUBLE_EQ(shares, 2.0);
    EXPECT_TRUE(at::equal(at::cat(latents), all.latents)) << step;
    EXPECT_TRUE(at::equal(at::cat(noise), all.noise)) << step;
  }
}

TEST(BatchSource, ClassRowsFollowTheInstanceRowsAndDoNotChangeThem) {
  const BatchSource plain(examples(5, "a"), std::nullopt, batches_of(2, 0.5));
  const BatchSource prior(examples(5, "a"), examples(4, "c"), batches_of(2, 0.5));
  const TrainingBatch one = plain.batch(4);
  const TrainingBatch two = prior.batch(4);
  EXPECT_EQ(two.instance_rows, 2);
  ASSERT_EQ(two.latents.size(0), 4);
  EXPECT_TRUE(at::equal(one.noise, two.noise.slice(0, 0, 2)));
  EXPECT_TRUE(at::equal(one.latents, two.latents.slice(0, 0, 2)));
  EXPECT_EQ(two.captions[2][0], 'c');
  EXPECT_FALSE(at::equal(two.noise.slice(0, 0, 2), two.noise.slice(0, 2, 4)));
}

TEST(BatchSource, ClassRowsOfAnotherSizeAreABatchOfTheirOwn) {
  const BatchSource source(examples(3, "w", kWide), examples(4, "c", kTall), batches_of(2));
  const TrainingBatch batch = source.batch(1);
  EXPECT_EQ(batch.rows(), 2);
  ASSERT_TRUE(batch.of_class);
  EXPECT_EQ(batch.of_class->rows(), 2);
  EXPECT_EQ(batch.of_class->latents.size(2), 4);
  EXPECT_EQ(batch.of_class->captions[0][0], 'c');
}

TEST(BatchSource, TheBasesPriorHasTheSameRowsUnderTheClassPrompt) {
  ExampleSet set = examples(3, "a");
  for (Example& example : set.examples) example.class_prompt = "an icon";
  BatchOptions options = batches_of(2);
  options.prior_from_base = true;
  const BatchSource source(set, std::nullopt, options);
  const TrainingBatch batch = source.batch(2);
  ASSERT_EQ(batch.rows(), 4);
  EXPECT_EQ(batch.instance_rows, 2);
  EXPECT_EQ(batch.captions[2], "an icon");
  EXPECT_TRUE(at::equal(batch.latents.slice(0, 0, 2), batch.latents.slice(0, 2, 4)));
  EXPECT_TRUE(at::equal(batch.noise.slice(0, 0, 2), batch.noise.slice(0, 2, 4)));
  EXPECT_TRUE(at::equal(batch.timesteps.slice(0, 0, 2), batch.timesteps.slice(0, 2, 4)));
  EXPECT_EQ(source.captions().back(), "an icon");
}

TEST(BatchSource, VariationsTakeTurnsFromEpochToEpoch) {
  ExampleSet set = examples(2, "a");
  for (Example& example : set.examples) {
    const Example second = example_of("", 100.0f);
    example.variations.push_back(second.variations[0]);
  }
  const BatchSource source(set, std::nullopt, batches_of(2));
  EXPECT_LT(source.batch(0).latents.max().item<float>(), 2.0f);
  EXPECT_EQ(source.batch(1).latents.min().item<float>(), 100.0f);
  EXPECT_LT(source.batch(2).latents.max().item<float>(), 2.0f);
}

TEST(BatchSource, WeightsAndMasksAreThereOnlyWhereSomethingIsWeighted) {
  EXPECT_FALSE(
      BatchSource(examples(2, "a"), std::nullopt, batches_of(2)).batch(0).loss_weights.defined());
  ExampleSet set = examples(2, "a");
  set.examples[0].loss_weight = 0.5;
  set.examples[1].variations[0].mask = at::zeros({1, 3, 3});
  const TrainingBatch batch = BatchSource(set, std::nullopt, batches_of(2)).batch(0);
  const int64_t first = batch.captions[0] == "a0" ? 0 : 1;
  EXPECT_EQ(batch.loss_weights[first].item<float>(), 0.5f);
  EXPECT_EQ(batch.loss_weights[1 - first].item<float>(), 1.0f);
  EXPECT_TRUE(at::equal(batch.masks[first], at::ones({1, 3, 3})));
  EXPECT_TRUE(at::equal(batch.masks[1 - first], at::zeros({1, 3, 3})));
}

TEST(BatchSource, LatentsAreScaled) {
  ExampleSet set;
  set.examples.push_back(example_of("a", 2.0f));
  const BatchSource twos(std::move(set), std::nullopt, batches_of(1, 0.25));
  EXPECT_TRUE(at::equal(twos.batch(0).latents, at::full({1, 2, 3, 3}, 0.5)));
}

}  // namespace
}  // namespace dorabooth::testing::batch_source_test
