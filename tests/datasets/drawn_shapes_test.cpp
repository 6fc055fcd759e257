// Pictures of random shapes: the same for the same numbers, and of many kinds.
#include "datasets/drawn_shapes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/support/fixtures.h"

namespace dorabooth::drawn_shapes_test {
namespace {

TEST(DrawnShapes, SeedAndIndexDecideThePicture) {
  std::set<std::vector<uint8_t>> pictures;
  for (uint32_t i = 0; i < 40; ++i) {
    const Image picture = draw_shapes(48, 5, i);
    EXPECT_EQ(picture.width, 48);
    EXPECT_EQ(picture.height, 48);
    EXPECT_TRUE(picture.rgb_hwc == draw_shapes(48, 5, i).rgb_hwc) << i;
    EXPECT_TRUE(pictures.insert(picture.rgb_hwc).second) << i;
    EXPECT_TRUE(pictures.insert(draw_shapes(48, 6, i).rgb_hwc).second) << i;
  }
}

TEST(DrawnShapes, GroundsAreWhiteColouredAndDark) {
  int white = 0;
  int dark = 0;
  constexpr int kPictures = 100;
  for (uint32_t i = 0; i < kPictures; ++i) {
    const Image picture = draw_shapes(32, 0, i);
    const uint8_t* corner = picture.pixel(0, 0);
    white += *std::min_element(corner, corner + 3) == 255 ? 1 : 0;
    dark += *std::max_element(corner, corner + 3) < 80 ? 1 : 0;
  }
  EXPECT_GT(white, kPictures / 4);
  EXPECT_LT(white, 3 * kPictures / 4);
  EXPECT_GT(dark, 1);
}

// Shaded surfaces and highlights, not only flat fields: many colours in a picture.
TEST(DrawnShapes, MostPicturesHaveGradients) {
  int rich = 0;
  for (uint32_t i = 0; i < 50; ++i) {
    const Image picture = draw_shapes(64, 0, i);
    std::set<std::vector<uint8_t>> colours;
    for (int y = 0; y < 64; ++y) {
      for (int x = 0; x < 64; ++x) colours.insert({picture.pixel(x, y), picture.pixel(x, y) + 3});
    }
    rich += colours.size() > 400 ? 1 : 0;
  }
  EXPECT_GT(rich, 25);
}

TEST(DrawnShapes, SidesOutsideTheLimitsAreRefused) {
  EXPECT_EQ(testing::message_of([] { draw_shapes(31, 0, 0); }),
            "pictures of shapes have a side of 32 to 1024, not 31");
  EXPECT_NE(testing::message_of([] { draw_shapes(1025, 0, 0); }), "");
}

}  // namespace
}  // namespace dorabooth::drawn_shapes_test
