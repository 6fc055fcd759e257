// Where everything of a chart lies: computed from its description and the widths of its texts
// before anything is drawn.
#pragma once

#include <string>
#include <vector>

#include "src/report/canvas.h"
#include "src/report/chart_axis.h"
#include "src/report/chart_colours.h"

namespace dorabooth {

namespace chart_size {
inline constexpr double kTitleText = 18;
inline constexpr double kPanelText = 15;  // a panel's title
inline constexpr double kLabelText = 14;  // of axes and the legend
inline constexpr double kTickText = 12.5;
inline constexpr double kLine = 1.4;  // a line's height, in text sizes
inline constexpr double kEdge = 16;   // of the picture
inline constexpr double kMarker = 4.5;
}  // namespace chart_size

struct PlannedPanel {
  CanvasBox plot;
  AxisRange x;
  AxisRange y;
  std::vector<AxisTick> x_ticks;
  std::vector<AxisTick> y_ticks;
  double x_degrees = 0;                  // of the texts at x_ticks: 0, 45 or 90 counter-clockwise
  double x_label_y = 0;                  // middle of the axis label
  double y_label_x = 0;                  // likewise
  bool shows_y = true;                   // numbers and label of the y axis
  std::vector<std::string> title_lines;  // the last one's middle is above the plot
};

enum class LegendSign { kNone, kMarker, kLine, kBox };

struct LegendEntry {
  std::string text;
  LegendSign sign = LegendSign::kNone;
  SeriesLook look;
  bool dashed = false;
  CanvasPoint place;  // left end, middle of the line
};

inline constexpr double kLegendSignWidth = 30;

struct ChartPlan {
  int width = 0;
  int height = 0;
  double title_y = 0;
  std::vector<LegendEntry> legend;
  std::vector<PlannedPanel> panels;
  CanvasBox bar;  // of the colours; without width: none
  std::vector<AxisTick> bar_ticks;
};

ChartPlan plan_chart(const Chart& chart, const ChartLooks& looks, const FontOutlines& font);

}  // namespace dorabooth
