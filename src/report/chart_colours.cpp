#include "src/report/chart_colours.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace dorabooth {

namespace {

constexpr size_t kLegendColours = 8;

ChartColour from_hex(unsigned rgb) {
  return {((rgb >> 16) & 255) / 255.0, ((rgb >> 8) & 255) / 255.0, (rgb & 255) / 255.0, 1.0};
}

constexpr std::array<unsigned, kLegendColours> kPalette = {0x0072b2, 0xd55e00, 0x009e73, 0xcc79a7,
                                                           0xe69f00, 0x56b4e9, 0x4d4d4d, 0x661133};
constexpr std::array<unsigned, 9> kSequence = {0x440154, 0x482878, 0x3e4a89, 0x31688e, 0x26828e,
                                               0x1f9e89, 0x35b779, 0x6dcd59, 0xb4de2c};

}  // namespace

ChartColour palette_colour(int number) {
  return from_hex(kPalette[static_cast<size_t>(number) % kPalette.size()]);
}

ChartColour sequence_colour(double share) {
  const double place = std::clamp(share, 0.0, 1.0) * (kSequence.size() - 1);
  const auto below = std::min(static_cast<size_t>(place), kSequence.size() - 2);
  const double part = place - static_cast<double>(below);
  const ChartColour a = from_hex(kSequence[below]);
  const ChartColour b = from_hex(kSequence[below + 1]);
  return {a.red + part * (b.red - a.red), a.green + part * (b.green - a.green),
          a.blue + part * (b.blue - a.blue), 1.0};
}

ChartLooks::ChartLooks(const Chart& chart) {
  bool first = true;
  for (const ChartPanel& panel : chart.panels) {
    for (const ChartSeries& series : panel.series) {
      if (!series.name.empty()) numbers_.emplace(series.name, static_cast<int>(numbers_.size()));
      for (const double value : series.colour_value) {
        low_ = first ? value : std::min(low_, value);
        high_ = first ? value : std::max(high_, value);
        first = false;
      }
    }
  }
  has_values_ = !first;
  const size_t names = chart.colours ? chart.colours->names.size() : 0;
  in_legend_ = names > 0 && names <= kLegendColours;
  if (names > kLegendColours) {
    low_ = 0;
    high_ = static_cast<double>(names - 1);
  }
}

SeriesLook ChartLooks::of(const ChartSeries& series) const {
  const int number = series.name.empty() ? 0 : numbers_.at(series.name);
  SeriesLook look;
  look.colour = palette_colour(series.colour >= 0 ? series.colour : number);
  if (!series.colour_value.empty()) look.colour = {0.35, 0.35, 0.35, 1.0};
  look.marker = series.marker >= 0 ? series.marker : number;
  return look;
}

ChartColour ChartLooks::of_value(double value) const {
  if (in_legend_) return palette_colour(static_cast<int>(value));
  return sequence_colour(high_ > low_ ? (value - low_) / (high_ - low_) : 0.5);
}

}  // namespace dorabooth
