// Both kinds of histogram are filled cell by cell; the whole picture's are the sums over the cells.
#include "datasets/picture_histogram.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "datasets/crop.h"
#include "src/base/error.h"

namespace dorabooth {

namespace {

constexpr int kSide = 64;
constexpr int kCells = 4;  // a side
constexpr int kLightnessBins = 5;
constexpr int kOpponentBins = 7;  // of a* and of b*
constexpr int kColourBins = kLightnessBins * kOpponentBins * kOpponentBins;
constexpr int kDirections = 9;

using Lab = std::array<double, 3>;

// A value between two bins, with the second one's share.
struct Share {
  int first = 0;
  int second = 0;
  double of_second = 0.0;
};

// `at` counts bins' centres from 0; beyond the outermost centres all goes to these.
Share share(double at, int bins) {
  const double inside = std::clamp(at, 0.0, static_cast<double>(bins - 1));
  const int first = std::min(static_cast<int>(inside), bins - 2);
  return {first, first + 1, inside - first};
}

template <typename Action>
void for_both(const Share& share, double weight, Action&& action) {
  action(share.first, weight * (1.0 - share.of_second));
  action(share.second, weight * share.of_second);
}

// IEC 61966-2-1.
double linear_light(int value) {
  const double v = value / 255.0;
  return v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4);
}

double lab_curve(double t) {
  constexpr double kDelta = 6.0 / 29.0;
  return t > kDelta * kDelta * kDelta ? std::cbrt(t) : t / (3.0 * kDelta * kDelta) + 4.0 / 29.0;
}

Lab lab_of(const uint8_t* rgb) {
  static const auto kLinear = [] {
    std::array<double, 256> table{};
    for (int i = 0; i < 256; ++i) table[static_cast<size_t>(i)] = linear_light(i);
    return table;
  }();
  const double r = kLinear[rgb[0]];
  const double g = kLinear[rgb[1]];
  const double b = kLinear[rgb[2]];
  const double x = lab_curve((0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047);
  const double y = lab_curve(0.2126729 * r + 0.7151522 * g + 0.0721750 * b);
  const double z = lab_curve((0.0193339 * r + 0.1191920 * g + 0.9503041 * b) / 1.08883);
  return {116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)};
}

std::vector<Lab> lab_pixels(const Image& image) {
  if (image.empty()) fail("a picture without pixels has no histogram");
  const Image square = apply_crop(image, centre_crop({image.width, image.height}, {kSide, kSide},
                                                     /*flipped=*/false, Interpolation::kBilinear));
  std::vector<Lab> pixels;
  for (int y = 0; y < kSide; ++y) {
    for (int x = 0; x < kSide; ++x) pixels.push_back(lab_of(square.pixel(x, y)));
  }
  return pixels;
}

// action(cell, weight) for the cells around a pixel.
template <typename Action>
void for_cells(int x, int y, double weight, Action&& action) {
  const auto place = [](int at) { return share((at + 0.5) * kCells / kSide - 0.5, kCells); };
  for_both(place(y), weight, [&](int row, double of_row) {
    for_both(place(x), of_row,
             [&](int column, double w) { action(static_cast<size_t>(row * kCells + column), w); });
  });
}

void add_colour(float* bins, const Lab& lab, double weight) {
  const Share a_share = share(lab[1] / 30.0 + 3.0, kOpponentBins);
  const Share b_share = share(lab[2] / 30.0 + 3.0, kOpponentBins);
  for_both(share(lab[0] / 25.0, kLightnessBins), weight, [&](int l, double of_l) {
    for_both(a_share, of_l, [&](int a, double of_a) {
      for_both(b_share, of_a, [&](int b, double w) {
        bins[(l * kOpponentBins + a) * kOpponentBins + b] += static_cast<float>(w);
      });
    });
  });
}

// `angle` in [-pi, pi].
void add_direction(float* bins, double angle, double weight) {
  const double turns = angle / std::numbers::pi + 1.0;  // half turns: 0, 1 and 2 are one direction
  const double at = (turns - std::floor(turns)) * kDirections;
  const int first = static_cast<int>(at) % kDirections;
  for_both({first, (first + 1) % kDirections, at - std::floor(at)}, weight,
           [&](int direction, double w) { bins[direction] += static_cast<float>(w); });
}

// [4, 4, bins]
std::vector<float> colour_cells_of(const std::vector<Lab>& pixels) {
  std::vector<float> cells(kCells * kCells * kColourBins);
  for (int y = 0; y < kSide; ++y) {
    for (int x = 0; x < kSide; ++x) {
      const Lab& lab = pixels[static_cast<size_t>(y * kSide + x)];
      for_cells(x, y, 1.0, [&](size_t cell, double weight) {
        add_colour(cells.data() + cell * kColourBins, lab, weight);
      });
    }
  }
  return cells;
}

std::vector<float> edge_cells_of(const std::vector<Lab>& pixels) {
  const auto lightness = [&](int x, int y) {
    const int row = std::clamp(y, 0, kSide - 1);
    return pixels[static_cast<size_t>(row * kSide + std::clamp(x, 0, kSide - 1))][0];
  };
  std::vector<float> cells(kCells * kCells * kDirections);
  for (int y = 0; y < kSide; ++y) {
    for (int x = 0; x < kSide; ++x) {
      const double dx = lightness(x + 1, y) - lightness(x - 1, y);
      const double dy = lightness(x, y + 1) - lightness(x, y - 1);
      for_cells(x, y, std::hypot(dx, dy), [&](size_t cell, double weight) {
        add_direction(cells.data() + cell * kDirections, std::atan2(dy, dx), weight);
      });
    }
  }
  return cells;
}

void normalise(std::vector<float>& histogram) {
  double sum = 0.0;
  for (const float bin : histogram) sum += bin;
  if (sum <= 0.0) return;
  for (float& bin : histogram) bin = static_cast<float>(bin / sum);
}

std::vector<float> sum_of_cells(const std::vector<float>& cells) {
  const size_t bins = cells.size() / (kCells * kCells);
  std::vector<float> sum(bins);
  for (size_t i = 0; i < cells.size(); ++i) sum[i % bins] += cells[i];
  return sum;
}

double chi_square(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0.0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double both = static_cast<double>(a[i]) + b[i];
    const double apart = static_cast<double>(a[i]) - b[i];
    if (both > 0.0) sum += apart * apart / both;
  }
  return sum / 2.0;
}

}  // namespace

PictureHistogram picture_histogram(const Image& image) {
  const std::vector<Lab> pixels = lab_pixels(image);
  PictureHistogram result;
  result.colour_cells = colour_cells_of(pixels);
  result.edge_cells = edge_cells_of(pixels);
  normalise(result.colour_cells);
  normalise(result.edge_cells);
  result.colour = sum_of_cells(result.colour_cells);
  result.edges = sum_of_cells(result.edge_cells);
  return result;
}

double histogram_distance(const PictureHistogram& a, const PictureHistogram& b) {
  return (chi_square(a.colour, b.colour) + chi_square(a.edges, b.edges) +
          chi_square(a.colour_cells, b.colour_cells) + chi_square(a.edge_cells, b.edge_cells)) /
         4.0;
}

}  // namespace dorabooth
