// Aspect buckets against the rule of kohya's sd-scripts.
#include "datasets/bucket.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "datasets/example_plan.h"
#include "src/base/error.h"

namespace dorabooth::bucket_test {
namespace {

BucketRule rule_of(int resolution, int smallest, int largest) {
  BucketRule rule;
  rule.resolution = resolution;
  rule.min_side = smallest;
  rule.max_side = largest;
  return rule;
}

bool contains(const std::vector<PictureSize>& sizes, PictureSize size) {
  return std::find(sizes.begin(), sizes.end(), size) != sizes.end();
}

// kohya's make_bucket_resolutions((1024, 1024), 512, 2048, 64) gives 33 sizes.
TEST(Buckets, AreKohyasForSdxl) {
  const std::vector<PictureSize> sizes = bucket_sizes(rule_of(1024, 512, 2048));
  EXPECT_EQ(sizes.size(), 33u);
  for (const PictureSize size :
       {PictureSize{1024, 1024}, {832, 1216}, {1216, 832}, {768, 1344}, {1536, 640}, {512, 2048}})
    EXPECT_TRUE(contains(sizes, size)) << size.width << "x" << size.height;
  for (const PictureSize size : sizes) {
    EXPECT_EQ(size.width % 64, 0);
    EXPECT_EQ(size.height % 64, 0);
    EXPECT_LE(int64_t{size.width} * size.height, 1024 * 1024);
  }
}

// With sides up to 1024 a tall picture loses what its own bucket would keep.
TEST(Buckets, TheDefaultBoundsAllowSdxlsWideSizes) {
  EXPECT_EQ(bucket_of(BucketRule(), {768, 1344}), (PictureSize{768, 1344}));
  EXPECT_EQ(bucket_of(rule_of(1024, 256, 1024), {768, 1344}), (PictureSize{576, 1024}));
}

TEST(Buckets, ThePicturesProportionsDecide) {
  const BucketRule rule = rule_of(1024, 256, 2048);
  EXPECT_EQ(bucket_of(rule, {500, 500}), (PictureSize{1024, 1024}));
  EXPECT_EQ(bucket_of(rule, {3000, 2000}), (PictureSize{1216, 832}));
  EXPECT_EQ(bucket_of(rule, {2000, 3000}), (PictureSize{832, 1216}));
}

TEST(Buckets, WithoutEnlargingASmallPictureKeepsItsSizeRoundedDown) {
  BucketRule rule;
  rule.no_upscale = true;
  EXPECT_EQ(bucket_of(rule, {500, 700}), (PictureSize{448, 640}));
  EXPECT_EQ(bucket_of(rule, {40, 700}), (PictureSize{64, 640}));
  const PictureSize large = bucket_of(rule, {3000, 2000});
  EXPECT_EQ(large, (PictureSize{1216, 832}));
  EXPECT_EQ(bucket_of(rule, {20000, 1000}).width, 2048);
}

TEST(Buckets, ImpossibleBoundsAreErrorsWithTheirNumbers) {
  EXPECT_THROW(bucket_sizes(rule_of(128, 256, 2048)), UsageError);
  EXPECT_THROW(bucket_sizes(rule_of(1024, 256, 512)), UsageError);
  BucketRule rule;
  rule.steps = 12;
  EXPECT_THROW(bucket_sizes(rule), UsageError);
}

TEST(ExamplePlan, ABucketsCropCoversItAndTellsTheTrueConditioning) {
  ExampleRule rule;
  rule.buckets = BucketRule();
  rule.center_crop = true;
  rule.random_flip = true;
  rule.stream = "instance";
  bool seen[2] = {false, false};
  for (uint32_t index = 0; index < 16; ++index) {
    const CropPlan plan = example_plan(rule, {3000, 1900}, std::nullopt, index);
    EXPECT_EQ(plan.target, (PictureSize{1280, 768}));
    EXPECT_EQ(plan.resized, (PictureSize{1280, 810}));
    const MicroConditioning c = micro_conditioning(plan);
    EXPECT_EQ(c.original_height, 1900);
    EXPECT_EQ(c.original_width, 3000);
    EXPECT_EQ(c.target_height, 768);
    EXPECT_EQ(c.target_width, 1280);
    EXPECT_EQ(c.crop_top, 21);
    EXPECT_LT(lost_area(plan), 0.06);
    seen[plan.flipped ? 1 : 0] = true;
  }
  EXPECT_TRUE(seen[0] && seen[1]);
}

TEST(ExamplePlan, ADrawnRectanglesProportionsChooseTheBucket) {
  ExampleRule rule;
  rule.buckets = BucketRule();
  EXPECT_EQ(example_plan(rule, {3000, 2000}, CropRectangle{0, 0, 1000, 1000}, 0).target,
            (PictureSize{1024, 1024}));
}

}  // namespace
}  // namespace dorabooth::bucket_test
