// Charts of an experiment's numbers: scatters, lines with error bars and grouped bars, in panels
// side by side, described by plain structs and drawn by Cairo as PNG or SVG. The same description
// gives the same bytes.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace dorabooth {

enum class PanelKind {
  kScatter,
  kLines,  // a marker at every point; in the order of the points
  kBars,   // grouped: the series' bars of one x stand side by side. x are numbers of categories
};

enum class AxisScale { kLinear, kLog2, kLog10 };

struct ChartAxis {
  std::string label;
  AxisScale scale = AxisScale::kLinear;
  // Names of the places 0, 1, 2, …; written on the slant where they do not fit. Needs kLinear.
  std::vector<std::string> categories;
  std::vector<double> ticks;   // empty: chosen. Not with categories
  std::optional<double> low;   // absent: what the points need, and for bars 0
  std::optional<double> high;  // absent: likewise
};

struct ChartSeries {
  std::string name;  // in the legend; "": not in it
  std::vector<double> x;
  std::vector<double> y;
  std::vector<double> spread;  // error bars from y - spread to y + spread; empty: none
  // Scatter: each point's place in Chart::colours; empty: the series' own colour.
  std::vector<double> colour_value;
  // Of the palette (-1: the next that no other name has; equal names share one) and of the shapes.
  int colour = -1;
  int marker = -1;
  bool dashed = false;  // lines
};

// y = intercept + slope * x, drawn over the points' x.
struct TrendLine {
  double slope = 0.0;
  double intercept = 0.0;
};

struct ChartPanel {
  PanelKind kind = PanelKind::kLines;
  std::string title;  // "\n" breaks lines
  ChartAxis x;
  ChartAxis y;
  std::vector<ChartSeries> series;
  std::optional<TrendLine> trend;
};

// What colour_value means. With names it is one's number: up to eight have colours of the palette
// in the legend, more share out a sequence of colours on a bar. Without, it is a quantity.
struct ColourKey {
  std::string title;
  std::vector<std::string> names;
};

struct Chart {
  std::string title;  // above everything; may be empty
  std::vector<ChartPanel> panels;
  int columns = 0;  // panels in a row; 0: all
  // Panels have one range and, in a row, one scale's numbers and label.
  bool share_x = false;
  bool share_y = false;
  std::optional<ColourKey> colours;
  int width = 1100;        // pixels of the whole picture; the height follows
  int panel_height = 300;  // of a panel's plotting area
};

// The file's ending says what is written: .png or .svg. `font` is a TrueType file, such as
// asset_path("fonts/DejaVuSans.ttf"). Atomically; makes missing parent folders. Throws, naming the
// panel and the series, for a chart without points, numbers that are not finite, or where a
// logarithm has none.
void write_chart(const Chart& chart, const std::filesystem::path& font,
                 const std::filesystem::path& output);

enum class ChartFormat { kPng, kSvg };
std::string draw_chart(const Chart& chart, const std::filesystem::path& font, ChartFormat format);

}  // namespace dorabooth
