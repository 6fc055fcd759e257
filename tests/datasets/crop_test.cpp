// Crops: sizes and places as torchvision rounds them, micro-conditioning, mirrors, cache keys.
#include "datasets/crop.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/support/fixtures.h"

namespace dorabooth::crop_test {
namespace {

using testing::message_of;

constexpr Interpolation kLanczos = Interpolation::kLanczos;

// Each pixel tells its own place.
Image coordinates(int width, int height) {
  Image image(width, height);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      image.pixel(x, y)[0] = static_cast<uint8_t>(x);
      image.pixel(x, y)[1] = static_cast<uint8_t>(y);
    }
  }
  return image;
}

TEST(Crop, ResolutionIsASquareOrWidthByHeight) {
  EXPECT_EQ(parse_resolution("512").width, 512);
  EXPECT_EQ(parse_resolution("512").height, 512);
  EXPECT_EQ(parse_resolution("832x1216").width, 832);
  EXPECT_EQ(parse_resolution("832x1216").height, 1216);
  for (const char* wrong : {"", "0", "-5", "12a", "x5", "5x", "99999", "1x2x3", " 5"}) {
    EXPECT_NE(message_of([&] { parse_resolution(wrong); }).find("want a side"), std::string::npos)
        << wrong;
  }
}

TEST(Crop, ShorterSideBecomesTheTargetAndTheOtherIsRoundedDown) {
  // torchvision: Resize(512) of 1000x333 gives 512 * 1000 / 333 = 1537.5 -> 1537.
  const CropPlan plan = centre_crop({1000, 333}, {512, 512}, false, kLanczos);
  EXPECT_EQ(plan.resized.width, 1537);
  EXPECT_EQ(plan.resized.height, 512);
  const CropPlan tall = centre_crop({300, 400}, {100, 200}, false, kLanczos);
  EXPECT_EQ(tall.resized.width, 150);
  EXPECT_EQ(tall.resized.height, 200);
}

TEST(Crop, CentreRoundsHalvesToEvenAsPythonDoes) {
  // round((whole - part) / 2.0) in Python: 0.5 -> 0, 1.5 -> 2, 2.5 -> 2, 3.5 -> 4.
  const int expected[4] = {0, 2, 2, 4};
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(centre_crop({10 + 2 * i + 1, 10}, {10, 10}, false, kLanczos).left, expected[i]) << i;
  }
}

TEST(Crop, PictureOfTheTargetsSizeIsUntouched) {
  const Image image = coordinates(20, 12);
  const CropPlan plan = centre_crop({20, 12}, {20, 12}, false, kLanczos);
  EXPECT_EQ(apply_crop(image, plan).rgb_hwc, image.rgb_hwc);
}

TEST(Crop, MicroConditioningDescribesOriginalPlaceAndTarget) {
  const CropPlan plan = centre_crop({40, 20}, {10, 10}, false, kLanczos);
  const MicroConditioning conditioning = micro_conditioning(plan);
  EXPECT_EQ(conditioning.original_height, 20);
  EXPECT_EQ(conditioning.original_width, 40);
  EXPECT_EQ(conditioning.crop_top, 0);
  EXPECT_EQ(conditioning.crop_left, 5);
  EXPECT_EQ(conditioning.target_height, 10);
  EXPECT_EQ(conditioning.target_width, 10);
}

TEST(Crop, MirroredCropCountsFromWhatWasTheRightEdge) {
  const RandomStream stream(7, "crop");
  const Image image = coordinates(30, 10);
  for (uint32_t index = 0; index < 20; ++index) {
    const CropPlan plain = random_crop({30, 10}, {10, 10}, false, kLanczos, stream, 0, index);
    const CropPlan mirrored = random_crop({30, 10}, {10, 10}, true, kLanczos, stream, 0, index);
    // The mirrored whole picture, cropped at the stated place, is the mirrored crop.
    const int left = micro_conditioning(mirrored).crop_left;
    const Image crop = apply_crop(image, mirrored);
    for (int x = 0; x < 10; ++x) EXPECT_EQ(crop.pixel(x, 3)[0], 30 - 1 - (left + x));
    EXPECT_EQ(left, 30 - plain.left - 10);
    EXPECT_EQ(micro_conditioning(plain).crop_left, plain.left);
  }
}

TEST(Crop, RandomPlaceIsAFunctionOfStepAndIndexAndReachesAllPlaces) {
  const RandomStream stream(1, "crop");
  std::set<std::pair<int, int>> places;
  for (uint64_t step = 0; step < 40; ++step) {
    for (uint32_t index = 0; index < 4; ++index) {
      const CropPlan plan = random_crop({12, 10}, {10, 10}, false, kLanczos, stream, step, index);
      const CropPlan again =
          random_crop({12, 10}, {10, 10}, false, kLanczos, RandomStream(1, "crop"), step, index);
      EXPECT_EQ(plan.left, again.left);
      EXPECT_EQ(plan.top, 0);
      places.insert({plan.left, plan.top});
    }
  }
  EXPECT_EQ(places.size(), 3u);
}

TEST(Crop, ShrinkingAveragesEveryPixel) {
  // A one-pixel checkerboard: an aliasing filter would give black or white.
  Image board(64, 64);
  for (int y = 0; y < 64; ++y) {
    for (int x = 0; x < 64; ++x) {
      for (int c = 0; c < 3; ++c) board.pixel(x, y)[c] = (x + y) % 2 ? 255 : 0;
    }
  }
  for (const char* name : {"bilinear", "bicubic", "lanczos", "area"}) {
    const CropPlan plan = centre_crop({64, 64}, {16, 16}, false, interpolation_from_name(name));
    for (const uint8_t value : apply_crop(board, plan).rgb_hwc) EXPECT_NEAR(value, 128, 1) << name;
  }
}

TEST(Crop, EnlargingKeepsAConstantPictureConstant) {
  const Image image(5, 5, 77);
  for (const char* name : {"bilinear", "bicubic", "lanczos", "area"}) {
    const CropPlan plan = centre_crop({5, 5}, {32, 24}, false, interpolation_from_name(name));
    for (const uint8_t value : apply_crop(image, plan).rgb_hwc) EXPECT_EQ(value, 77) << name;
  }
  EXPECT_NE(message_of([] { interpolation_from_name("lancsos"); }).find("did you mean 'lanczos'?"),
            std::string::npos);
}

TEST(Crop, VeryNarrowPictureIsRefused) {
  const std::string message = message_of([] {
    centre_crop({16384, 1}, {1024, 1024}, false, kLanczos);
  });
  EXPECT_NE(message.find("16384x1"), std::string::npos) << message;
  EXPECT_NE(message.find("too narrow"), std::string::npos) << message;
}

TEST(Crop, PictureOfAnotherSizeThanPlannedIsRefused) {
  const CropPlan plan = centre_crop({8, 8}, {4, 4}, false, kLanczos);
  EXPECT_NE(message_of([&] { apply_crop(Image(9, 8), plan); }).find("8x8 pixels got 9x8"),
            std::string::npos);
}

TEST(PictureKey, DiffersWithEverythingThatChangesThePixels) {
  const CropPlan plan = centre_crop({40, 30}, {16, 16}, false, kLanczos);
  std::set<std::string> keys{picture_key("aa", plan, {})};
  EXPECT_EQ(*keys.begin(), picture_key("aa", plan, {}));
  keys.insert(picture_key("ab", plan, {}));
  keys.insert(picture_key("aa", plan, {0, 0, 0}));
  keys.insert(picture_key("aa", centre_crop({40, 30}, {16, 16}, true, kLanczos), {}));
  keys.insert(picture_key("aa", centre_crop({40, 30}, {16, 8}, false, kLanczos), {}));
  keys.insert(picture_key("aa", centre_crop({40, 30}, {16, 16}, false, Interpolation::kArea), {}));
  CropPlan moved = plan;
  ++moved.left;
  keys.insert(picture_key("aa", moved, {}));
  EXPECT_EQ(keys.size(), 7u);
}

}  // namespace
}  // namespace dorabooth::crop_test
