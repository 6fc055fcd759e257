// Styles drawn of icons whose parts, colours and ground are known.
#include "datasets/drawn_styles.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <set>

#include "src/base/error.h"
#include "tests/support/fixtures.h"

namespace dorabooth::drawn_styles_test {
namespace {

using testing::message_of;

using Rgb3 = std::array<double, 3>;
constexpr Rgb3 kWhite = {255, 255, 255};
constexpr int kSide = 96;

// Each pixel the mean of 4x4 samples.
Image sampled(int width, int height, const std::function<Rgb3(double, double)>& colour) {
  Image image(width, height);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      Rgb3 sum{};
      for (int i = 0; i < 16; ++i) {
        const Rgb3 one = colour(x + (i % 4 + 0.5) / 4.0, y + (i / 4 + 0.5) / 4.0);
        for (size_t c = 0; c < 3; ++c) sum[c] += one[c];
      }
      for (size_t c = 0; c < 3; ++c)
        image.pixel(x, y)[c] = static_cast<uint8_t>(std::lround(sum[c] / 16.0));
    }
  }
  return image;
}

bool in_disc(double x, double y, double at_x, double at_y, double radius) {
  return std::hypot(x - at_x, y - at_y) < radius;
}

// Orange with two dark eyes and a red mouth, from 12 to 84.
Image face() {
  return sampled(kSide, kSide, [](double x, double y) -> Rgb3 {
    if (!in_disc(x, y, 48, 48, 36)) return kWhite;
    if (in_disc(x, y, 36, 38, 6) || in_disc(x, y, 60, 38, 6)) return {50, 30, 40};
    if (std::abs(x - 48) < 16 && y > 56 && y < 66) return {200, 30, 60};
    return {250, 170, 40};
  });
}

Image disc(const Rgb3& colour) {
  return sampled(kSide, kSide,
                 [&](double x, double y) { return in_disc(x, y, 48, 48, 36) ? colour : kWhite; });
}

double brightness(const uint8_t* rgb) { return (rgb[0] + rgb[1] + rgb[2]) / 3.0; }

// Mean over channels and pixels, 0 to 255.
double difference(const Image& a, const Image& b) {
  double sum = 0.0;
  for (size_t i = 0; i < a.rgb_hwc.size(); ++i) sum += std::abs(a.rgb_hwc[i] - b.rgb_hwc[i]);
  return sum / static_cast<double>(a.rgb_hwc.size());
}

std::array<const uint8_t*, 4> corners(const Image& image) {
  const int last = image.width - 1;
  return {image.pixel(0, 0), image.pixel(last, 0), image.pixel(0, last), image.pixel(last, last)};
}

bool is_white(const uint8_t* rgb) { return rgb[0] == 255 && rgb[1] == 255 && rgb[2] == 255; }

// How much brighter the part of a disc is that lies towards an angle.
double brighter_towards(const Image& image, double angle) {
  double sides[2] = {};
  double counts[2] = {};
  const double middle = image.width / 2.0;
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      const double u = x + 0.5 - middle;
      const double v = y + 0.5 - middle;
      if (std::hypot(u, v) > 0.34 * image.width) continue;
      const int side = u * std::cos(angle) + v * std::sin(angle) > 0.0 ? 1 : 0;
      sides[side] += brightness(image.pixel(x, y));
      counts[side] += 1.0;
    }
  }
  return sides[1] / counts[1] - sides[0] / counts[0];
}

TEST(DrawnStyles, NamesAndCaptionWordsAreUnique) {
  std::set<std::string> names;
  std::set<std::string> words;
  for (const DrawnStyle& style : drawn_styles()) {
    EXPECT_TRUE(names.insert(style.name).second) << style.name;
    EXPECT_TRUE(words.insert(style.words).second) << style.words;
    EXPECT_FALSE(style.description.empty()) << style.name;
    EXPECT_EQ(drawn_style(style.name).words, style.words);
  }
  EXPECT_GE(names.size(), 20u);
}

TEST(DrawnStyles, AnUnknownNameIsAnErrorWithTheNearestOne) {
  EXPECT_THROW(drawn_style("waterclour"), UsageError);
  EXPECT_EQ(message_of([] { draw_in_style(face(), "waterclour", 0, 0); }),
            "unknown style 'waterclour' (did you mean 'watercolour'?)");
}

TEST(DrawnStyles, CaptionsNameTheStyleWithTheRightArticle) {
  EXPECT_EQ(style_caption(drawn_style("glossy"), "grinning face"),
            "a glossy icon of grinning face");
  EXPECT_EQ(style_caption(drawn_style("embossed"), "cat"), "an embossed paper icon of cat");
}

TEST(DrawnStyles, SeedStyleAndIndexDecideThePicture) {
  const DrawableIcon icon(face(), 64);
  for (const DrawnStyle& style : drawn_styles()) {
    const Image first = icon.in_style(style.name, 7, 3);
    EXPECT_TRUE(first.rgb_hwc == icon.in_style(style.name, 7, 3).rgb_hwc) << style.name;
    EXPECT_TRUE(first.rgb_hwc == draw_in_style(face(), style.name, 7, 3, 64).rgb_hwc);
    double by_index = 0.0;
    double by_seed = 0.0;
    for (uint32_t i = 4; i < 7; ++i) {
      by_index = std::max(by_index, difference(first, icon.in_style(style.name, 7, i)));
      by_seed = std::max(by_seed, difference(first, icon.in_style(style.name, 7 + i, 3)));
    }
    EXPECT_GT(by_index, 0.2) << style.name;
    EXPECT_GT(by_seed, 0.2) << style.name;
  }
}

TEST(DrawnStyles, EachDiffersFromItsSourceAndFromEveryOther) {
  const Image source = face();
  const DrawableIcon icon(source, kSide);
  std::vector<std::pair<std::string, Image>> pictures = {{"source", source}};
  for (const DrawnStyle& style : drawn_styles())
    pictures.emplace_back(style.name, icon.in_style(style.name, 0, 0));
  for (size_t i = 0; i < pictures.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      EXPECT_GT(difference(pictures[i].second, pictures[j].second), 2.0)
          << pictures[i].first << " and " << pictures[j].first;
    }
  }
}

TEST(DrawnStyles, GroundIsWhiteColouredOrDarkAsTheStyleSays) {
  const DrawableIcon icon(face(), kSide);
  for (const char* style : {"shaded",    "bevelled",  "glossy",   "glossy-bevelled", "clay",
                            "balloon",   "plastic",   "satin",    "colour-lit",      "hue-gradient",
                            "jelly",     "metallic",  "enamel",   "cel-shaded",      "outlined",
                            "line",      "pixelated", "halftone", "blurred",         "monochrome",
                            "silhouette"}) {
    const Image picture = icon.in_style(style, 0, 1);
    for (const uint8_t* corner : corners(picture)) EXPECT_TRUE(is_white(corner)) << style;
  }
  for (const char* style : {"shaded-card", "glossy-card", "clay-card", "glass", "sticker",
                            "coloured-ground", "long-shadow"}) {
    for (uint32_t i = 0; i < 5; ++i) {
      const Image picture = icon.in_style(style, 0, i);
      for (const uint8_t* corner : corners(picture))
        EXPECT_LT(*std::min_element(corner, corner + 3), 240) << style;
    }
  }
  for (const char* style : {"neon", "dark", "glossy-dark"}) {
    for (uint32_t i = 0; i < 5; ++i) {
      const Image picture = icon.in_style(style, 0, i);
      for (const uint8_t* corner : corners(picture)) EXPECT_LT(brightness(corner), 75.0) << style;
    }
  }
}

// Of a plain disc; jelly glows on the far side, paper may be sunk, the mirrors show surroundings.
TEST(DrawnStyles, SolidsAreBrighterOnTheLitSide) {
  const DrawableIcon icon(disc({140, 90, 160}), kSide);
  for (const char* style :
       {"shaded", "bevelled", "glossy", "glossy-bevelled", "clay", "balloon", "plastic", "satin",
        "colour-lit", "shaded-card", "glossy-card", "clay-card", "glossy-dark", "cel-shaded"}) {
    for (uint32_t i = 0; i < 12; ++i) {
      const Image picture = icon.in_style(style, 0, i);
      EXPECT_GT(brighter_towards(picture, drawn_light_azimuth(style, 0, i)), 1.0)
          << style << " " << i;
    }
  }
}

TEST(DrawnStyles, LightFromTheOtherSideBrightensTheOtherSide) {
  const DrawableIcon icon(disc({140, 90, 160}), kSide);
  int from_left = 0;
  int from_right = 0;
  for (uint32_t i = 0; i < 20; ++i) {
    const double to_right = std::cos(drawn_light_azimuth("shaded", 0, i));
    if (std::abs(to_right) < 0.4) continue;
    const double right = brighter_towards(icon.in_style("shaded", 0, i), 0.0);
    EXPECT_GT(right * to_right, 0.0) << i;
    (to_right < 0.0 ? from_left : from_right) += 1;
  }
  EXPECT_GT(from_left, 0);
  EXPECT_GT(from_right, 0);
}

TEST(DrawnStyles, MonochromeHasOneHue) {
  const Image picture = draw_in_style(face(), "monochrome", 0, 2, kSide);
  // Whatever the lightness, the channels' distances keep their proportion.
  double least = 10.0;
  double most = -10.0;
  for (int y = 0; y < kSide; ++y) {
    for (int x = 0; x < kSide; ++x) {
      std::array<double, 3> rgb = {};
      std::copy_n(picture.pixel(x, y), 3, rgb.begin());
      const auto [low, high] = std::minmax_element(rgb.begin(), rgb.end());
      if (*high - *low < 60.0) continue;
      const double angle =
          std::atan2(std::sqrt(3.0) * (rgb[1] - rgb[2]), 2.0 * rgb[0] - rgb[1] - rgb[2]);
      least = std::min(least, angle);
      most = std::max(most, angle);
    }
  }
  EXPECT_LT(most - least, 0.05);
  EXPECT_GE(most, least);
}

TEST(DrawnStyles, SilhouetteHasOneColourWhateverTheIconHas) {
  const Image picture = draw_in_style(face(), "silhouette", 0, 0, kSide);
  const uint8_t* middle = picture.pixel(48, 48);
  for (int y = 0; y < kSide; ++y) {
    for (int x = 0; x < kSide; ++x) {
      const uint8_t* here = picture.pixel(x, y);
      if (in_disc(x, y, 48, 48, 33)) {
        EXPECT_TRUE(std::equal(middle, middle + 3, here)) << x << " " << y;
      } else if (!in_disc(x, y, 48, 48, 39)) {
        EXPECT_TRUE(is_white(here)) << x << " " << y;
      }
    }
  }
}

TEST(DrawnStyles, WhiteInsideAnIconIsPartOfIt) {
  const Image ring = sampled(kSide, kSide, [](double x, double y) -> Rgb3 {
    const bool is_red = in_disc(x, y, 48, 48, 36) && !in_disc(x, y, 48, 48, 20);
    return is_red ? Rgb3{220, 20, 30} : kWhite;
  });
  EXPECT_FALSE(is_white(draw_in_style(ring, "silhouette", 0, 0, kSide).pixel(48, 48)));
  const Image coloured = draw_in_style(ring, "coloured-ground", 0, 0, kSide);
  EXPECT_TRUE(is_white(coloured.pixel(48, 48)));
  EXPECT_FALSE(is_white(coloured.pixel(2, 2)));
}

TEST(DrawnStyles, NoWhiteIsLeftAlongTheOutlineOnADarkGround) {
  const Image picture = draw_in_style(disc({200, 20, 30}), "dark", 0, 0, kSide);
  for (int y = 0; y < kSide; ++y) {
    for (int x = 0; x < kSide; ++x) EXPECT_LT(picture.pixel(x, y)[1], 80) << x << " " << y;
  }
}

TEST(DrawnStyles, LinesAloneLeaveThePartsWhite) {
  const Image picture = draw_in_style(face(), "line", 0, 0, kSide);
  EXPECT_TRUE(is_white(picture.pixel(48, 28)));
  EXPECT_TRUE(is_white(picture.pixel(2, 2)));
  int dark = 0;
  for (int x = 0; x < kSide; ++x) dark += brightness(picture.pixel(x, 48)) < 160.0 ? 1 : 0;
  EXPECT_GE(dark, 2);
  EXPECT_LE(dark, 16);
}

TEST(DrawnStyles, AnIconThatTouchesTheBorderIsShrunk) {
  const Image full = sampled(kSide, kSide, [](double x, double y) -> Rgb3 {
    return in_disc(x, y, 48, 48, 48) ? Rgb3{30, 90, 200} : kWhite;
  });
  const Image picture = draw_in_style(full, "silhouette", 0, 0, kSide);
  for (int i = 0; i < kSide; ++i) {
    EXPECT_TRUE(is_white(picture.pixel(i, 3)));
    EXPECT_TRUE(is_white(picture.pixel(3, i)));
  }
}

TEST(DrawnStyles, PicturesHaveTheSideThatIsAskedFor) {
  const Image wide = sampled(80, 40, [](double x, double y) -> Rgb3 {
    return std::abs(x - 40) < 30 && std::abs(y - 20) < 12 ? Rgb3{30, 90, 200} : kWhite;
  });
  for (const DrawnStyle& style : drawn_styles()) {
    for (const int side : {48, 100}) {
      const Image picture = draw_in_style(wide, style.name, 0, 0, side);
      EXPECT_EQ(picture.width, side) << style.name;
      EXPECT_EQ(picture.height, side) << style.name;
    }
  }
}

TEST(DrawnStyles, APictureWithoutAnIconIsRefused) {
  EXPECT_EQ(message_of([] { draw_in_style(Image(64, 64, 255), "glossy", 0, 0); }),
            "a picture that is white all over has no icon to draw");
  EXPECT_NE(message_of([] { draw_in_style(Image(), "glossy", 0, 0); }), "");
}

}  // namespace
}  // namespace dorabooth::drawn_styles_test
