// The search against a plain search by the formula, and the mark at other places and sizes.
#include "datasets/mark_template.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "datasets/drawn_mark.h"
#include "src/base/error.h"
#include "tests/support/fixtures.h"

namespace dorabooth::testing::mark_template_test {
namespace {

Image noise(int width, int height, unsigned seed, int from = 0, int to = 255) {
  Image image(width, height);
  std::mt19937 generator(seed);
  for (uint8_t& value : image.rgb_hwc)
    value = static_cast<uint8_t>(from + static_cast<int>(generator() % unsigned(to - from + 1)));
  return image;
}

Image copy_of_part(const Image& image, int dx, int dy) {
  Image moved(image.width, image.height, 255);
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      const int from_x = std::clamp(x - dx, 0, image.width - 1);
      const int from_y = std::clamp(y - dy, 0, image.height - 1);
      std::copy_n(image.pixel(from_x, from_y), 3, moved.pixel(x, y));
    }
  }
  return moved;
}

// Each pixel the mean of factor x factor.
Image shrunk(const Image& image, int factor) {
  Image result(image.width / factor, image.height / factor);
  for (int y = 0; y < result.height; ++y) {
    for (int x = 0; x < result.width; ++x) {
      for (int c = 0; c < 3; ++c) {
        int sum = 0;
        for (int i = 0; i < factor * factor; ++i)
          sum += image.pixel(x * factor + i % factor, y * factor + i / factor)[c];
        result.pixel(x, y)[c] = static_cast<uint8_t>(sum / (factor * factor));
      }
    }
  }
  return result;
}

MarkStyle badge_style() {
  MarkStyle style;
  style.badge = Rgb{210, 64, 31};
  return style;
}

DecodedPicture drawn_template(int side, const MarkStyle& style) {
  return decode_picture(encode_mark({side, side}, style), "mark.png");
}

// A template of noise in a rectangle of opaque pixels with a hole.
DecodedPicture noisy_template() {
  DecodedPicture decoded;
  decoded.image = noise(60, 60, 1);
  decoded.alpha = Image(60, 60, 0);
  decoded.had_alpha = true;
  for (int y = 22; y < 34; ++y) {
    for (int x = 30; x < 46; ++x) {
      const bool is_hole = x > 35 && x < 39 && y > 25 && y < 30;
      if (!is_hole) std::fill_n(decoded.alpha.pixel(x, y), 3, uint8_t{255});
    }
  }
  return decoded;
}

// The correlation coefficient by its definition, of the template moved by (dx, dy).
double plain_coefficient(const Image& picture, const DecodedPicture& decoded, int dx, int dy) {
  double pp = 0, tt = 0, pt = 0;
  for (int c = 0; c < 3; ++c) {
    double mean_p = 0, mean_t = 0, count = 0;
    for (int pass = 0; pass < 2; ++pass) {
      for (int y = 0; y < 60; ++y) {
        for (int x = 0; x < 60; ++x) {
          if (decoded.alpha.pixel(x, y)[0] == 0) continue;
          const double p = picture.pixel(x + dx, y + dy)[c];
          const double t = decoded.image.pixel(x, y)[c];
          if (pass == 0) {
            mean_p += p;
            mean_t += t;
            ++count;
          } else {
            pp += (p - mean_p) * (p - mean_p);
            tt += (t - mean_t) * (t - mean_t);
            pt += (p - mean_p) * (t - mean_t);
          }
        }
      }
      if (pass == 0) {
        mean_p /= count;
        mean_t /= count;
      }
    }
  }
  return pt / std::sqrt(pp * tt);
}

TEST(MarkTemplate, TheScoreIsTheCorrelationCoefficientOfTheOpaquePixels) {
  const DecodedPicture decoded = noisy_template();
  const MarkTemplate mark(decoded, "template");
  // Half the template's noise, moved by (2, -1), half other noise.
  const Image moved = copy_of_part(decoded.image, 2, -1);
  const Image other = noise(60, 60, 2);
  Image picture(60, 60);
  for (size_t i = 0; i < picture.rgb_hwc.size(); ++i)
    picture.rgb_hwc[i] = static_cast<uint8_t>((moved.rgb_hwc[i] + other.rgb_hwc[i]) / 2);
  double want = -1;
  for (int dy = -3; dy <= 3; ++dy) {
    for (int dx = -3; dx <= 3; ++dx)
      want = std::max(want, plain_coefficient(picture, decoded, dx, dy));
  }
  const MarkMatch match = mark.best_match(picture, "picture");
  EXPECT_NEAR(match.score, want, 1e-5);
  EXPECT_NEAR(match.score, plain_coefficient(picture, decoded, 2, -1), 1e-5);
  EXPECT_EQ(match.scale, 1.0);
  EXPECT_EQ(match.left, 2);
  EXPECT_EQ(match.top, -1);
  EXPECT_NEAR(match.score, std::sqrt(0.5), 0.06);  // of two independent halves
}

TEST(MarkTemplate, AMarkIsFoundAtOtherSizesAndALittleBesideItsPlace) {
  const MarkTemplate mark(drawn_template(256, badge_style()), "badge.png");
  Image marked = noise(256, 256, 3, 120, 255);
  draw_mark(marked, badge_style());
  EXPECT_GT(mark.best_match(marked, "same").score, 0.999);
  for (const int factor : {2, 4})
    EXPECT_GT(mark.best_match(shrunk(marked, factor), "smaller").score, 0.95) << factor;
  const MarkMatch moved = mark.best_match(copy_of_part(marked, -9, 6), "moved");
  EXPECT_GT(moved.score, 0.999);
  EXPECT_EQ(moved.left, -9);
  EXPECT_EQ(moved.top, 6);
  // Further away is another place.
  EXPECT_LT(mark.best_match(copy_of_part(marked, -60, -60), "elsewhere").score, 0.5);
}

TEST(MarkTemplate, ALargerOrSmallerMarkIsFoundAtItsScale) {
  const MarkTemplate mark(drawn_template(200, badge_style()), "badge.png");
  MarkStyle larger = badge_style();
  larger.badge_percent *= 1.1;
  Image picture(200, 200, 230);
  draw_mark(picture, larger);
  const MarkMatch match = mark.best_match(picture, "larger");
  EXPECT_EQ(match.scale, 1.10);
  EXPECT_GT(match.score, 0.97);
}

TEST(MarkTemplate, PlainGroundsDoNotCorrelate) {
  const MarkTemplate mark(drawn_template(128, badge_style()), "badge.png");
  for (const uint8_t value : {uint8_t{0}, uint8_t{100}, uint8_t{255}})
    EXPECT_EQ(mark.best_match(Image(128, 128, value), "plain").score, 0) << int(value);
  EXPECT_LT(mark.best_match(noise(128, 128, 5), "noise").score, 0.3);
  // Less than a level's noise is plain too.
  EXPECT_LT(mark.best_match(noise(128, 128, 6, 254, 255), "paper").score, 0.3);
}

TEST(MarkTemplate, TheBadgeLiesLowerRightAndTheFrameAlongTheEdges) {
  MarkStyle style = badge_style();
  style.frame = Rgb{0, 0, 200};
  const DecodedPicture drawn = drawn_template(100, style);
  const auto alpha = [&](int x, int y) { return drawn.alpha.pixel(x, y)[0]; };
  EXPECT_EQ(alpha(50, 50), 0);
  EXPECT_EQ(alpha(0, 0), 0);  // outside the rounded corner
  EXPECT_EQ(alpha(50, 1), 255);
  EXPECT_EQ(alpha(1, 50), 255);
  EXPECT_EQ(alpha(98, 50), 255);
  EXPECT_EQ(alpha(84, 84), 255);
  EXPECT_EQ(drawn.image.pixel(50, 0)[2], 200);
  EXPECT_EQ(drawn.image.pixel(50, 0)[0], 0);
  EXPECT_EQ(drawn.image.pixel(84, 84)[0], 255);  // the star is yellow
  // The same on a picture, which stays as it was elsewhere.
  Image picture(100, 100, 77);
  draw_mark(picture, style);
  for (int y = 0; y < 100; ++y) {
    for (int x = 0; x < 100; ++x) {
      for (int c = 0; c < 3; ++c) {
        const double a = alpha(x, y) / 255.0;
        // Over white, as it was decoded, the mark's own part is the rest.
        const double own = drawn.image.pixel(x, y)[c] - 255 * (1 - a);
        EXPECT_NEAR(picture.pixel(x, y)[c], own + 77 * (1 - a), 2.0);
      }
    }
  }
}

TEST(MarkTemplate, RefusesWhatIsNoTemplate) {
  DecodedPicture opaque;
  opaque.image = noise(20, 20, 1);
  EXPECT_EQ(message_of([&] { MarkTemplate(opaque, "photo.png"); }),
            "photo.png has no transparent pixels; want a mark on transparent ground");
  DecodedPicture nothing = noisy_template();
  nothing.alpha = Image(60, 60, 0);
  EXPECT_NE(message_of([&] { MarkTemplate(nothing, "x.png"); }).find("no opaque pixels"),
            std::string::npos);
  DecodedPicture plain = noisy_template();
  plain.image = Image(60, 60, 40);
  EXPECT_NE(message_of([&] { MarkTemplate(plain, "x.png"); }).find("of one colour"),
            std::string::npos);
  const MarkTemplate mark(noisy_template(), "x.png");
  EXPECT_EQ(message_of([&] { mark.best_match(Image(90, 60, 9), "wide.png"); }),
            "wide.png is 90x60 pixels; want the proportions of the template, 60x60");
}

}  // namespace
}  // namespace dorabooth::testing::mark_template_test
