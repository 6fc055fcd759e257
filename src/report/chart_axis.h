// Ranges and numbers of a chart's axes.
#pragma once

#include <string>
#include <vector>

#include "src/report/chart.h"

namespace dorabooth {

struct AxisRange {
  double low = 0.0;
  double high = 1.0;
  AxisScale scale = AxisScale::kLinear;

  // 0 at low, 1 at high.
  double place(double value) const;
};

struct AxisTick {
  double value = 0.0;
  std::string text;
};

// The range of `values` with a margin at both ends, unless the axis names the end itself. `bars`:
// from or to 0 where that is outside. Values are finite, and above 0 for a logarithm.
AxisRange axis_range(const ChartAxis& axis, const std::vector<double>& values, bool bars);

// The axis's own ticks within the range, or at most about `most` at multiples of 1, 2 or 5 times a
// power of ten, on a logarithmic axis at powers of its base (of ten: also 2 and 5 times them while
// there is room). Texts have the decimals that tell them apart; 0.00025 is 2.5e-4 where no number
// of the axis is larger than 0.001, and beyond 999999 there are exponents too.
std::vector<AxisTick> axis_ticks(const ChartAxis& axis, const AxisRange& range, int most);

}  // namespace dorabooth
