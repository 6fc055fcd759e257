// Where a picture lies for a zoom and a centre.
#include "ui/desktop/image_view.h"

#include <gtest/gtest.h>

#include "ui/desktop/picture_math.h"

namespace dorabooth::image_view_ui_test {
namespace {

constexpr ViewArea kArea = {100, 50, 400, 200, 1};
constexpr PictureSides kSides = {1000, 1000};

TEST(ImageView, APictureFitsAndStandsInTheMiddle) {
  EXPECT_NEAR(fitting_zoom(kArea, kSides), 0.2, 1e-6);
  const Placement placed = place_picture({}, kArea, kSides);
  EXPECT_NEAR(placed.scale, 0.2, 1e-6);
  EXPECT_NEAR(placed.left, 200, 1e-3);
  EXPECT_NEAR(placed.top, 50, 1e-3);
}

TEST(ImageView, AHundredPercentIsFramebufferPixels) {
  ViewArea retina = kArea;
  retina.pixels = 2;
  EXPECT_NEAR(fitting_zoom(retina, kSides), 0.4, 1e-6);
  EXPECT_NEAR(place_picture(actual_size({}), retina, kSides).scale, 0.5, 1e-6);
  EXPECT_NEAR(place_picture(actual_size({}), kArea, kSides).scale, 1, 1e-6);
}

TEST(ImageView, ZoomingKeepsWhatIsUnderTheCursor) {
  ImageView view = {1, 0.4, 0.6};
  for (const double factor : {1.2, 3.0, 0.5}) {
    const auto before = pixel_under(place_picture(view, kArea, kSides), kSides, 333, 111);
    view = zoomed_about(view, kArea, kSides, 333, 111, factor);
    const auto after = pixel_under(place_picture(view, kArea, kSides), kSides, 333, 111);
    ASSERT_TRUE(before && after);
    EXPECT_NEAR(after->x, before->x, 1);
    EXPECT_NEAR(after->y, before->y, 1);
  }
}

TEST(ImageView, ZoomingStaysBetweenTheWholePictureAndSixtyFour) {
  ImageView view;
  for (int i = 0; i < 60; ++i) view = zoomed_about(view, kArea, kSides, 300, 150, 1.5);
  EXPECT_EQ(view.zoom, 64);
  for (int i = 0; i < 60; ++i) view = zoomed_about(view, kArea, kSides, 300, 150, 0.5);
  EXPECT_NEAR(view.zoom, 0.2, 1e-6);
}

TEST(ImageView, ADragMovesThePictureByItsLength) {
  const ImageView view = {2, 0.5, 0.5};
  const Placement before = place_picture(view, kArea, kSides);
  const Placement after = place_picture(panned(view, kArea, kSides, 30, -20), kArea, kSides);
  EXPECT_NEAR(after.left - before.left, 30, 1e-2);
  EXPECT_NEAR(after.top - before.top, -20, 1e-2);
  const ImageView far = panned(view, kArea, kSides, -1e6F, 1e6F);
  EXPECT_EQ(far.x, 1);
  EXPECT_EQ(far.y, 0);
  // A fitted picture has nowhere to go.
  EXPECT_EQ(panned({}, kArea, kSides, 30, 30).zoom, 0);
}

TEST(ImageView, PicturesOfOtherSizesShowTheSamePlace) {
  const ImageView view = {3, 0.25, 0.75};
  const Placement small = place_picture(view, kArea, {64, 64});
  EXPECT_NEAR((300 - small.left) / small.scale, 16, 1e-3);
  EXPECT_NEAR((150 - small.top) / small.scale, 48, 1e-3);
}

TEST(ImageView, NoPixelIsUnderACursorBesideThePicture) {
  const Placement placed = place_picture({}, kArea, kSides);
  EXPECT_FALSE(pixel_under(placed, kSides, 199, 60));
  EXPECT_FALSE(pixel_under(placed, kSides, 401, 60));
  const auto corner = pixel_under(placed, kSides, 200.1F, 50.1F);
  ASSERT_TRUE(corner);
  EXPECT_EQ(corner->x, 0);
  EXPECT_EQ(corner->y, 0);
}

TEST(PictureMath, TheDifferenceIsAmplifiedAndCut) {
  Image a(1, 1);
  Image b(1, 1);
  a.rgb_hwc = {10, 200, 0};
  b.rgb_hwc = {13, 100, 0};
  EXPECT_EQ(picture_difference(a, b, 4).rgb_hwc, (std::vector<uint8_t>{12, 255, 0}));
  EXPECT_TRUE(picture_difference(a, Image(2, 1), 4).empty());
}

TEST(PictureMath, AHalfIsTheMeanOfFour) {
  Image image(3, 2);
  for (int i = 0; i < 3; ++i)
    image.pixel(i, 0)[0] = image.pixel(i, 1)[0] = static_cast<uint8_t>(10 * i);
  const Image half = half_picture(image);
  EXPECT_EQ(half.width, 2);
  EXPECT_EQ(half.height, 1);
  EXPECT_EQ(half.pixel(0, 0)[0], 5);
  EXPECT_EQ(half.pixel(1, 0)[0], 20);
}

}  // namespace
}  // namespace dorabooth::image_view_ui_test
