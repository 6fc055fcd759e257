// Colours and marker shapes of a chart's series and points.
#pragma once

#include <map>
#include <string>

#include "src/report/canvas.h"

namespace dorabooth {

inline constexpr ChartColour kText = {0.1, 0.1, 0.1, 1.0};
// Okabe and Ito's colours, which the colour-blind tell apart, those that stand out on white first;
// they repeat after eight.
ChartColour palette_colour(int number);
// From dark blue over green to light green (matplotlib's viridis without its light end): even in
// lightness. `share` from 0 to 1.
ChartColour sequence_colour(double share);

struct SeriesLook {
  ChartColour colour;
  int marker = 0;
};

class ChartLooks {
 public:
  explicit ChartLooks(const Chart& chart);
  SeriesLook of(const ChartSeries& series) const;
  // Of a point's colour_value.
  ChartColour of_value(double value) const;
  // The colours are told by a bar, not by words in the legend.
  bool has_bar() const { return has_values_ && !in_legend_; }
  bool has_legend() const { return has_values_ && in_legend_; }
  double low() const { return low_; }  // of the bar
  double high() const { return high_; }

 private:
  std::map<std::string, int> numbers_;  // of names without a colour of their own
  bool has_values_ = false;
  bool in_legend_ = false;
  double low_ = 0.0;
  double high_ = 1.0;
};

}  // namespace dorabooth
