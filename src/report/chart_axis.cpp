#include "src/report/chart_axis.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace dorabooth {

namespace {

constexpr double kMargin = 0.05;          // of the range, at each end
constexpr double kSmallest = 0.00099999;  // that is written without an exponent

double log_of(double value, AxisScale scale) {
  return scale == AxisScale::kLog2 ? std::log2(value) : std::log10(value);
}

double power_of(double exponent, AxisScale scale) {
  return scale == AxisScale::kLog2 ? std::exp2(exponent) : std::pow(10.0, exponent);
}

double scaled(double value, AxisScale scale) {
  return scale == AxisScale::kLinear ? value : log_of(value, scale);
}

double unscaled(double value, AxisScale scale) {
  return scale == AxisScale::kLinear ? value : power_of(value, scale);
}

// 1, 2 or 5 times a power of ten, so that at most about `most` of them fit.
double nice_step(double length, int most) {
  const double least = length / most;
  const double power = std::pow(10.0, std::floor(std::log10(least)));
  for (const double digit : {1.0, 2.0, 5.0}) {
    if (digit * power >= least * (1 - 1e-9)) return digit * power;
  }
  return 10 * power;
}

std::string plain(double value, int decimals) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

// "2.5e-5": as few digits as tell the value to within `step`.
std::string with_exponent(double value, double step) {
  if (value == 0) return "0";
  const int exponent = static_cast<int>(std::floor(std::log10(std::abs(value)) + 1e-9));
  const double mantissa = value / std::pow(10.0, exponent);
  const double unit = step / std::pow(10.0, exponent);
  const int decimals = std::max(0, static_cast<int>(std::ceil(-std::log10(unit) - 1e-9)));
  std::string digits = plain(mantissa, std::min(decimals, 6));
  if (digits.find('.') != std::string::npos) {
    digits.erase(digits.find_last_not_of('0') + 1);
    if (digits.back() == '.') digits.pop_back();
  }
  return digits + "e" + std::to_string(exponent);
}

std::string linear_text(double value, double step, double largest) {
  if (std::abs(value) < step * 1e-6) return "0";
  if (largest > 999999.5 || largest < kSmallest) return with_exponent(value, step);
  const int decimals = std::max(0, static_cast<int>(std::ceil(-std::log10(step) - 1e-9)));
  return plain(value, decimals);
}

std::vector<AxisTick> at_multiples(double low, double high, int most) {
  const double step = nice_step(high - low, most);
  const double largest = std::max(std::abs(low), std::abs(high));
  const auto first = static_cast<int64_t>(std::ceil(low / step - 1e-6));
  const auto last = static_cast<int64_t>(std::floor(high / step + 1e-6));
  std::vector<AxisTick> ticks;
  for (int64_t i = first; i <= last; ++i) {
    const double value = static_cast<double>(i) * step;
    ticks.push_back({value, linear_text(value, step, largest)});
  }
  return ticks;
}

// As few digits as tell the number to six; with an exponent below `smallest`.
std::string short_text(double value, double smallest) {
  const double size = std::abs(value);
  if (size != 0 && (size < smallest || size > 999999.5)) {
    const int exponent = static_cast<int>(std::floor(std::log10(size) + 1e-9));
    char text[64];
    std::snprintf(text, sizeof text, "%.6ge%d", value / std::pow(10.0, exponent), exponent);
    return text;
  }
  char text[64];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

std::vector<AxisTick> at_powers(const AxisRange& range, int most) {
  const double low = log_of(range.low, range.scale);
  const double high = log_of(range.high, range.scale);
  const auto first = static_cast<int64_t>(std::ceil(low - 1e-9));
  const auto last = static_cast<int64_t>(std::floor(high + 1e-9));
  const int64_t stride = std::max<int64_t>(1, (last - first + most) / most);
  std::vector<double> digits = {1.0};
  if (range.scale == AxisScale::kLog10 && 2 * (high - low) <= most) digits = {1.0, 2.0, 5.0};
  // One way of writing for all of an axis that has powers below a thousandth.
  const double smallest = range.low < kSmallest && range.high < 1 ? 1 : kSmallest;
  std::vector<AxisTick> ticks;
  for (int64_t i = first - 1; i <= last; i += stride) {
    for (const double digit : digits) {
      const double value = digit * power_of(static_cast<double>(i), range.scale);
      if (value < range.low * (1 - 1e-9) || value > range.high * (1 + 1e-9)) continue;
      ticks.push_back({value, short_text(value, smallest)});
    }
    if (i < first) i = first - stride;
  }
  return ticks.size() >= 2 ? ticks : at_multiples(range.low, range.high, most);
}

}  // namespace

double AxisRange::place(double value) const {
  const double from = scaled(low, scale);
  return (scaled(value, scale) - from) / (scaled(high, scale) - from);
}

AxisRange axis_range(const ChartAxis& axis, const std::vector<double>& values, bool bars) {
  if (!axis.categories.empty())
    return {-0.5, static_cast<double>(axis.categories.size()) - 0.5, AxisScale::kLinear};
  double low = scaled(*std::min_element(values.begin(), values.end()), axis.scale);
  double high = scaled(*std::max_element(values.begin(), values.end()), axis.scale);
  const bool from_zero = bars && axis.scale == AxisScale::kLinear && low >= 0;
  const bool to_zero = bars && axis.scale == AxisScale::kLinear && high <= 0;
  if (from_zero) low = 0;
  if (to_zero) high = 0;
  if (high - low <= 1e-12 * std::max(std::abs(low), std::abs(high))) {
    // One value: room around it.
    const double room = axis.scale != AxisScale::kLinear ? 0.5 : low == 0 ? 1 : std::abs(low) / 2;
    low -= room;
    high += room;
  } else {
    const double margin = kMargin * (high - low);
    if (!from_zero) low -= margin;
    if (!to_zero) high += margin;
  }
  AxisRange range{unscaled(low, axis.scale), unscaled(high, axis.scale), axis.scale};
  if (axis.low) range.low = *axis.low;
  if (axis.high) range.high = *axis.high;
  return range;
}

std::vector<AxisTick> axis_ticks(const ChartAxis& axis, const AxisRange& range, int most) {
  std::vector<AxisTick> ticks;
  if (!axis.categories.empty()) {
    for (size_t i = 0; i < axis.categories.size(); ++i)
      ticks.push_back({static_cast<double>(i), axis.categories[i]});
    return ticks;
  }
  if (!axis.ticks.empty()) {
    for (const double value : axis.ticks) {
      const double place = range.place(value);
      if (place >= -1e-9 && place <= 1 + 1e-9)
        ticks.push_back({value, short_text(value, kSmallest)});
    }
    return ticks;
  }
  return range.scale == AxisScale::kLinear ? at_multiples(range.low, range.high, most)
                                           : at_powers(range, most);
}

}  // namespace dorabooth
