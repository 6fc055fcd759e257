// Histograms of pictures whose colours and edges are known, and distances between them.
#include "datasets/picture_histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "src/imagefile/image_file.h"
#include "tests/support/fixtures.h"

namespace dorabooth::picture_histogram_test {
namespace {

using testing::message_of;

constexpr int kSide = 64;

template <typename Colour>
Image drawn(Colour&& colour, int width = kSide, int height = kSide) {
  Image image(width, height);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const Rgb rgb = colour(x, y);
      std::copy_n(std::array{rgb.red, rgb.green, rgb.blue}.data(), 3, image.pixel(x, y));
    }
  }
  return image;
}

Image plain(Rgb rgb, int width = kSide, int height = kSide) {
  return drawn([&](int, int) { return rgb; }, width, height);
}

Rgb grey(int value) {
  const auto v = static_cast<uint8_t>(value);
  return {v, v, v};
}

double sum(const std::vector<float>& histogram) {
  return std::accumulate(histogram.begin(), histogram.end(), 0.0);
}

// Sharing out among neighbouring bins keeps the mean: the colour itself for a plain picture.
std::array<double, 3> mean_lab(const std::vector<float>& colour) {
  std::array<double, 3> mean{};
  for (size_t i = 0; i < colour.size(); ++i) {
    mean[0] += colour[i] * 25.0 * static_cast<double>(i / 49);
    mean[1] += colour[i] * 30.0 * (static_cast<double>(i / 7 % 7) - 3.0);
    mean[2] += colour[i] * 30.0 * (static_cast<double>(i % 7) - 3.0);
  }
  return mean;
}

TEST(PictureHistogram, ColoursAreThoseOfCieLab) {
  // CIE L*a*b* of sRGB's corners under D65, as published; b* of blue, -107.86, ends at -90.
  const std::pair<Rgb, std::array<double, 3>> known[] = {
      {{255, 0, 0}, {53.24, 80.09, 67.20}}, {{0, 255, 0}, {87.73, -86.18, 83.18}},
      {{0, 0, 255}, {32.30, 79.19, -90.0}}, {{255, 255, 255}, {100.0, 0.0, 0.0}},
      {{0, 0, 0}, {0.0, 0.0, 0.0}},         {{119, 119, 119}, {50.03, 0.0, 0.0}}};
  for (const auto& [rgb, lab] : known) {
    const PictureHistogram histogram = picture_histogram(plain(rgb));
    ASSERT_EQ(histogram.colour.size(), 245u);
    const std::array<double, 3> mean = mean_lab(histogram.colour);
    for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(mean[i], lab[i], 0.02) << i;
  }
}

TEST(PictureHistogram, EachSumsToOneAndAPlainPictureHasNoEdges) {
  const PictureHistogram half =
      picture_histogram(drawn([](int x, int) { return grey(x < kSide / 2 ? 40 : 200); }));
  for (const auto* part : {&half.colour, &half.edges, &half.colour_cells, &half.edge_cells})
    EXPECT_NEAR(sum(*part), 1.0, 1e-5);
  const PictureHistogram flat = picture_histogram(plain({9, 80, 200}));
  EXPECT_NEAR(sum(flat.colour_cells), 1.0, 1e-5);
  EXPECT_EQ(sum(flat.edge_cells), 0.0);
}

TEST(PictureHistogram, EdgesLieInTheBinsOfTheirDirection) {
  const auto edges = [](auto&& colour) { return picture_histogram(drawn(colour)).edges; };
  // Lightness changes to the right: 0 degrees. Downwards: 90, between the bins at 80 and 100. To
  // the right and downwards: 45, a quarter of the way from 40 to 60. Upwards: 135.
  const auto right = edges([](int x, int) { return grey(x / 8 % 2 * 200); });
  EXPECT_NEAR(right.at(0), 1.0, 1e-5);
  const auto down = edges([](int, int y) { return grey(y / 8 % 2 * 200); });
  EXPECT_NEAR(down.at(4), 0.5, 1e-5);
  EXPECT_NEAR(down.at(5), 0.5, 1e-5);
  // Diagonals, but for the outermost pixels, of which one neighbour is missing.
  const auto falling = edges([](int x, int y) { return grey(60 + x + y); });
  EXPECT_NEAR(falling.at(2), 0.75, 0.05);
  EXPECT_NEAR(falling.at(3), 0.25, 0.05);
  const auto rising = edges([](int x, int y) { return grey(60 + x + kSide - y); });
  EXPECT_NEAR(rising.at(7), 0.75, 0.05);
  EXPECT_NEAR(rising.at(6), 0.25, 0.05);
}

TEST(PictureHistogram, OppositeContrastIsTheSameDirection) {
  const auto bar = [](int inside, int outside) {
    return picture_histogram(
               drawn([&](int x, int y) { return grey(x + y < 60 ? inside : outside); }))
        .edges;
  };
  const auto bright = bar(200, 50);
  const auto dark = bar(50, 200);
  for (size_t i = 0; i < bright.size(); ++i) EXPECT_NEAR(bright[i], dark[i], 1e-5) << i;
}

TEST(PictureHistogram, DistanceIsFromZeroToOneAndSymmetric) {
  const PictureHistogram black = picture_histogram(plain({0, 0, 0}));
  const PictureHistogram white = picture_histogram(plain({}));
  EXPECT_EQ(histogram_distance(white, white), 0.0);
  // No colour in common, and both without edges: the two colour histograms of four.
  EXPECT_NEAR(histogram_distance(black, white), 0.5, 1e-6);
  const auto stripes = [](Rgb one, Rgb other, bool across) {
    return picture_histogram(
        drawn([&](int x, int y) { return (across ? y : x) / 8 % 2 ? one : other; }));
  };
  const PictureHistogram a = stripes({0, 0, 0}, {255, 0, 0}, true);
  const PictureHistogram b = stripes({255, 255, 255}, {0, 255, 0}, false);
  EXPECT_NEAR(histogram_distance(a, b), 1.0, 1e-6);
  EXPECT_EQ(histogram_distance(a, white), histogram_distance(white, a));
}

TEST(PictureHistogram, PlaceCountsInTheCellsAlone) {
  const auto sides = [](Rgb left, Rgb right) {
    return picture_histogram(drawn([&](int x, int) { return x < kSide / 2 ? left : right; }));
  };
  const PictureHistogram a = sides({255, 0, 0}, {0, 0, 255});
  const PictureHistogram b = sides({0, 0, 255}, {255, 0, 0});
  for (size_t i = 0; i < a.colour.size(); ++i) EXPECT_NEAR(a.colour[i], b.colour[i], 1e-5);
  // The outer columns of cells, three eighths of the weight on each side, have nothing in common.
  EXPECT_GT(histogram_distance(a, b), 0.18);
  EXPECT_LT(histogram_distance(a, b), 0.25);
}

TEST(PictureHistogram, SizeDoesNotMatterAndTheCentreOfAWidePictureIsTaken) {
  const auto scene = [](int scale, int margin) {
    return picture_histogram(drawn(
        [&](int x, int y) {
          const int place = (x - margin) / scale;
          return x < margin || place >= kSide ? Rgb{0, 255, 0} : grey(place * (y / scale) % 256);
        },
        kSide * scale + 2 * margin, kSide * scale));
  };
  const PictureHistogram once = scene(1, 0);
  EXPECT_NEAR(histogram_distance(once, scene(3, 0)), 0.0, 1e-6);
  EXPECT_NEAR(histogram_distance(once, scene(1, 20)), 0.0, 1e-6);
  EXPECT_GT(histogram_distance(once, picture_histogram(plain({0, 255, 0}, 4, 4))), 0.4);
}

TEST(PictureHistogram, APictureWithoutPixelsIsRefused) {
  EXPECT_NE(message_of([] { picture_histogram(Image()); }).find("without pixels"),
            std::string::npos);
}

}  // namespace
}  // namespace dorabooth::picture_histogram_test
