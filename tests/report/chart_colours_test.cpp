// Colours as the colour-blind see them, by Machado, Oliveira and Fernandes 2009 (severity 1).
#include "src/report/chart_colours.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

namespace dorabooth::testing::chart_colours_test {
namespace {

using Triple = std::array<double, 3>;
using Matrix = std::array<Triple, 3>;

constexpr Matrix kNormal = {{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};
constexpr Matrix kProtanopia = {{{0.152286, 1.052583, -0.204868},
                                 {0.114503, 0.786281, 0.099216},
                                 {-0.003882, -0.048116, 1.051998}}};
constexpr Matrix kDeuteranopia = {{{0.367322, 0.860646, -0.227968},
                                   {0.280085, 0.672501, 0.047413},
                                   {-0.011820, 0.042940, 0.968881}}};

Triple times(const Matrix& matrix, const Triple& vector) {
  Triple product{};
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 3; ++j) product[i] += matrix[i][j] * vector[j];
  }
  return product;
}

// CIE L*a*b* of a colour seen through `vision`.
Triple lab_of(const ChartColour& colour, const Matrix& vision) {
  Triple linear{};
  const Triple given = {colour.red, colour.green, colour.blue};
  for (size_t i = 0; i < 3; ++i) {
    linear[i] = given[i] <= 0.04045 ? given[i] / 12.92 : std::pow((given[i] + 0.055) / 1.055, 2.4);
  }
  linear = times(vision, linear);
  constexpr Matrix kXyz = {
      {{0.4124, 0.3576, 0.1805}, {0.2126, 0.7152, 0.0722}, {0.0193, 0.1192, 0.9505}}};
  Triple xyz = times(kXyz, linear);
  constexpr Triple kWhite = {0.9505, 1.0, 1.089};
  for (size_t i = 0; i < 3; ++i) {
    const double share = std::max(xyz[i], 0.0) / kWhite[i];
    xyz[i] = share > 0.008856 ? std::cbrt(share) : 7.787 * share + 16.0 / 116;
  }
  return {116 * xyz[1] - 16, 500 * (xyz[0] - xyz[1]), 200 * (xyz[1] - xyz[2])};
}

double distance(const ChartColour& a, const ChartColour& b, const Matrix& vision) {
  const Triple first = lab_of(a, vision);
  const Triple second = lab_of(b, vision);
  return std::hypot(first[0] - second[0], first[1] - second[1], first[2] - second[2]);
}

// A difference of 2.3 is just noticed.
TEST(ChartColours, ThePaletteStaysApartForTheColourBlindAndOnWhite) {
  for (const Matrix& vision : {kNormal, kProtanopia, kDeuteranopia}) {
    for (int i = 0; i < 8; ++i) {
      EXPECT_GT(distance(palette_colour(i), {1, 1, 1, 1}, vision), 30) << i;
      for (int j = 0; j < i; ++j)
        EXPECT_GT(distance(palette_colour(i), palette_colour(j), vision), 10) << i << " " << j;
    }
    // LoRA and DoRA, most often.
    EXPECT_GT(distance(palette_colour(0), palette_colour(1), vision), 60);
  }
}

TEST(ChartColours, TheSequenceGrowsLighterForEveryone) {
  for (const Matrix& vision : {kNormal, kProtanopia, kDeuteranopia}) {
    double before = -1;
    for (int i = 0; i <= 20; ++i) {
      const double lightness = lab_of(sequence_colour(i / 20.0), vision)[0];
      EXPECT_GT(lightness, before + 1) << i;
      before = lightness;
    }
  }
}

}  // namespace
}  // namespace dorabooth::testing::chart_colours_test
