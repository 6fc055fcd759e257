// Crops that a person drew: their files, and what becomes of the pixels and the micro-conditioning.
#include "datasets/crop_rectangle.h"

#include <gtest/gtest.h>

#include "datasets/example_plan.h"
#include "datasets/image_folder.h"
#include "src/base/atomic_file.h"
#include "tests/support/fixtures.h"

namespace dorabooth::crop_rectangle_test {
namespace {

namespace fs = std::filesystem;
using testing::message_of;

// Red counts columns, green counts rows.
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

ExampleRule square(int side) {
  ExampleRule rule;
  rule.target = {side, side};
  rule.center_crop = true;
  rule.stream = "instance";
  return rule;
}

class CropFile : public ::testing::Test {
 protected:
  CropFile() { write_png(picture(), coordinates(40, 30)); }
  fs::path picture() const { return temporary_.path() / "dog.png"; }
  fs::path file() const { return temporary_.path() / "dog.crop.json"; }
  std::string error_of(const std::string& text) const {
    write_file_atomically(file(), text);
    return message_of([&] { read_crop_rectangle(picture()); });
  }
  std::string verify_error(const std::string& text) const {
    write_file_atomically(file(), text);
    return message_of([&] {
      verify_pictures(read_image_folder({temporary_.path(), std::nullopt, "a dog"}).pictures);
    });
  }
  testing::TemporaryFolder temporary_;
};

TEST_F(CropFile, IsWrittenReadAndTakenAway) {
  EXPECT_FALSE(read_crop_rectangle(picture()));
  save_crop_rectangle(picture(), CropRectangle{1, 2, 30, 28});
  EXPECT_EQ(read_file(file()), "{\"left\":1,\"top\":2,\"width\":30,\"height\":28}\n");
  EXPECT_EQ(read_crop_rectangle(picture()), (CropRectangle{1, 2, 30, 28}));
  const ImageFolder folder = read_image_folder({temporary_.path(), std::nullopt, "a dog"});
  EXPECT_EQ(folder.pictures.at(0).crop, (CropRectangle{1, 2, 30, 28}));
  save_crop_rectangle(picture(), std::nullopt);
  EXPECT_FALSE(fs::exists(file()));
}

TEST_F(CropFile, OutsideThePictureIsRefusedWhenItIsSavedAndWhenItIsUsed) {
  const std::string message = message_of([&] {
    save_crop_rectangle(picture(), CropRectangle{20, 0, 21, 30});
  });
  EXPECT_NE(message.find("dog.png: the crop at left 20, top 0 of 21x30 pixels is not inside the "
                         "picture of 40x30"),
            std::string::npos)
      << message;
  EXPECT_FALSE(fs::exists(file()));
  EXPECT_NE(verify_error(R"({"left": 0, "top": 1, "width": 40, "height": 30})")
                .find("dog.crop.json: the crop at left 0, top 1"),
            std::string::npos);
  EXPECT_EQ(verify_error(R"({"left": 0, "top": 0, "width": 40, "height": 30})"), "");
}

TEST_F(CropFile, AFaultInItIsNamed) {
  EXPECT_NE(error_of("[1]").find("dog.crop.json: want a JSON object"), std::string::npos);
  EXPECT_NE(error_of("{").find("dog.crop.json: want a JSON object"), std::string::npos);
  EXPECT_NE(error_of(R"({"left": 0, "top": 1, "width": 40})").find("dog.crop.json: no height"),
            std::string::npos);
  EXPECT_NE(error_of(R"({"left": 0, "top": 1, "width": 40, "height": 3, "hight": 3})")
                .find("unknown key 'hight'"),
            std::string::npos);
  EXPECT_NE(error_of(R"({"left": -1, "top": 1, "width": 40, "height": 3})").find("left"),
            std::string::npos);
  EXPECT_NE(error_of(R"({"left": 1, "top": 1, "width": 0, "height": 3})").find("width"),
            std::string::npos);
  EXPECT_NE(error_of(R"({"left": 1, "top": 1, "width": 99999999999999999999, "height": 3})")
                .find("dog.crop.json"),
            std::string::npos);
}

TEST(DrawnCrop, AtTheTargetsSizeItIsTheVeryPixels) {
  const CropPlan plan =
      drawn_crop({40, 30}, {16, 16}, false, Interpolation::kLanczos, CropRectangle{7, 5, 16, 16});
  const Image part = apply_crop(coordinates(40, 30), plan);
  EXPECT_EQ(part.pixel(0, 0)[0], 7);
  EXPECT_EQ(part.pixel(15, 15)[1], 20);
  EXPECT_EQ(plan.resized.width, 40);
  const MicroConditioning c = micro_conditioning(plan);
  EXPECT_EQ(c.original_width, 40);
  EXPECT_EQ(c.crop_left, 7);
  EXPECT_EQ(c.crop_top, 5);
  EXPECT_EQ(c.target_width, 16);
}

TEST(DrawnCrop, TheWholeOfASquareIsTheCentreCrop) {
  const Image image = coordinates(48, 48);
  const CropPlan drawn =
      drawn_crop({48, 48}, {16, 16}, false, Interpolation::kLanczos, CropRectangle{0, 0, 48, 48});
  const CropPlan centred = centre_crop({48, 48}, {16, 16}, false, Interpolation::kLanczos);
  EXPECT_EQ(apply_crop(image, drawn).rgb_hwc, apply_crop(image, centred).rgb_hwc);
  EXPECT_EQ(micro_conditioning(drawn).crop_left, 0);
}

TEST(DrawnCrop, CoordinatesCountInTheScaledPictureAndFromTheOtherEdgeWhenMirrored) {
  const CropRectangle half{20, 10, 32, 32};
  const CropPlan plain = drawn_crop({80, 60}, {16, 16}, false, Interpolation::kLanczos, half);
  EXPECT_EQ(plain.resized.width, 40);
  EXPECT_EQ(plain.resized.height, 30);
  EXPECT_EQ(micro_conditioning(plain).crop_left, 10);
  EXPECT_EQ(micro_conditioning(plain).crop_top, 5);
  const CropPlan mirrored = drawn_crop({80, 60}, {16, 16}, true, Interpolation::kLanczos, half);
  EXPECT_EQ(micro_conditioning(mirrored).crop_left, 40 - 10 - 16);
  const Image image = coordinates(80, 60);
  const Image a = apply_crop(image, plain);
  const Image b = apply_crop(image, mirrored);
  for (int x = 0; x < 16; ++x) EXPECT_EQ(a.pixel(x, 3)[0], b.pixel(15 - x, 3)[0]);
}

TEST(DrawnCrop, OfOtherProportionsItsCentreIsUsed) {
  const CropPlan plan = drawn_crop({100, 100}, {16, 16}, false, Interpolation::kLanczos,
                                   CropRectangle{10, 20, 60, 40});
  EXPECT_EQ(used_part(plan), (CropRectangle{20, 20, 40, 40}));
  const CropPlan tall = drawn_crop({100, 100}, {32, 16}, false, Interpolation::kLanczos,
                                   CropRectangle{10, 20, 40, 60});
  EXPECT_EQ(used_part(tall), (CropRectangle{10, 40, 40, 20}));
  EXPECT_DOUBLE_EQ(lost_area(tall), 1.0 - 0.4 * 0.2);
}

TEST(DrawnCrop, ItsPlaceInTheScaledPictureAlwaysFits) {
  for (int64_t left = 0; left < 37; ++left) {
    for (int64_t width = 1; left + width <= 37; ++width) {
      const CropPlan plan = drawn_crop({37, 37}, {15, 15}, false, Interpolation::kLanczos,
                                       CropRectangle{left, 0, width, width});
      EXPECT_LE(plan.left + 15, plan.resized.width) << left << " " << width;
    }
  }
}

TEST(DrawnCrop, OutsideIsRefused) {
  EXPECT_NE(message_of([] {
              drawn_crop({10, 10}, {4, 4}, false, Interpolation::kLanczos, {5, 5, 6, 5});
            }).find("is not inside the picture of 10x10"),
            std::string::npos);
}

TEST(DrawnCrop, IsPartOfAPicturesKey) {
  const CropPlan a = drawn_crop({40, 40}, {16, 16}, false, Interpolation::kLanczos, {0, 0, 16, 16});
  CropPlan b = a;
  b.source.reset();
  EXPECT_NE(picture_key("aa", a, {}), picture_key("aa", b, {}));
}

TEST(ExamplePlan, ADrawnRectangleLeavesTheFlipsAndTheOtherPicturesAlone) {
  ExampleRule rule = square(8);
  rule.center_crop = false;
  rule.random_flip = true;
  for (uint32_t index = 0; index < 32; ++index) {
    const CropPlan plain = example_plan(rule, {40, 30}, std::nullopt, index);
    const CropPlan drawn = example_plan(rule, {40, 30}, CropRectangle{3, 4, 20, 20}, index);
    EXPECT_EQ(plain.flipped, drawn.flipped);
    EXPECT_FALSE(plain.source);
    EXPECT_EQ(used_part(drawn), (CropRectangle{3, 4, 20, 20}));
  }
}

TEST(UsedPart, OfACentreCropIsCountedInThePicture) {
  const CropPlan plan = example_plan(square(10), {40, 20}, std::nullopt, 0);
  EXPECT_EQ(used_part(plan), (CropRectangle{10, 0, 20, 20}));
  EXPECT_DOUBLE_EQ(lost_area(plan), 0.5);
}

}  // namespace
}  // namespace dorabooth::crop_rectangle_test
