// Checks, then the plan, then title, legend and panels.
#include "src/report/chart.h"

#include <algorithm>
#include <cmath>

#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/report/chart_panel.h"
#include "src/report/chart_plan.h"

namespace dorabooth {

namespace {

using namespace chart_size;

constexpr int kMostPixels = 16384;  // of a side

std::string name_of(const ChartPanel& panel, size_t number) {
  return panel.title.empty() ? concat("panel ", number + 1) : concat("panel '", panel.title, "'");
}

void check_numbers(const std::vector<double>& numbers, const char* what, AxisScale scale,
                   const std::string& where) {
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (!std::isfinite(numbers[i]))
      fail(where, ": ", what, " of point ", i + 1, " is ", numbers[i], "; want a finite number");
    if (scale != AxisScale::kLinear && numbers[i] <= 0)
      fail(where, ": ", what, " of point ", i + 1, " is ", numbers[i],
           "; a logarithmic axis wants numbers above 0");
  }
}

void check_size(size_t given, size_t points, const char* what, const std::string& where) {
  if (given != points) fail(where, ": ", points, " values of x and ", given, " of ", what);
}

void check_axis(const ChartAxis& axis, const char* name, const std::string& where) {
  if (!axis.categories.empty() && axis.scale != AxisScale::kLinear)
    fail(where, ": a logarithmic ", name, " axis has no categories");
  for (const auto& [end, what] : {std::pair(axis.low, "low"), std::pair(axis.high, "high")}) {
    if (end) check_numbers({*end}, what, axis.scale, concat(where, ": the ", name, " axis"));
  }
  if (axis.low && axis.high && *axis.low >= *axis.high)
    fail(where, ": the ", name, " axis runs from ", *axis.low, " to ", *axis.high);
  check_numbers(axis.ticks, "tick", axis.scale, concat(where, ": the ", name, " axis"));
}

void check_series(const ChartSeries& series, const ChartPanel& panel, const Chart& chart,
                  const std::string& where) {
  check_size(series.y.size(), series.x.size(), "y", where);
  if (!series.spread.empty()) check_size(series.spread.size(), series.x.size(), "spread", where);
  if (!series.colour_value.empty())
    check_size(series.colour_value.size(), series.x.size(), "colour_value", where);
  check_numbers(series.x, "x", panel.x.scale, where);
  check_numbers(series.y, "y", panel.y.scale, where);
  check_numbers(series.spread, "spread", AxisScale::kLinear, where);
  check_numbers(series.colour_value, "colour_value", AxisScale::kLinear, where);
  const auto is_name = [](double value, size_t names) {
    return value >= 0 && value < static_cast<double>(names) && value == std::floor(value);
  };
  for (const double x : series.x) {
    if (!panel.x.categories.empty() && !is_name(x, panel.x.categories.size()))
      fail(where, ": x is ", x, "; want the number of one of ", panel.x.categories.size(),
           " categories");
  }
  const size_t names = chart.colours ? chart.colours->names.size() : 0;
  for (const double value : series.colour_value) {
    if (names > 0 && !is_name(value, names))
      fail(where, ": colour_value is ", value, "; want the number of one of ", names, " names");
  }
}

void check_panel(const ChartPanel& panel, const Chart& chart, const std::string& where) {
  if (panel.kind == PanelKind::kBars && panel.x.categories.empty())
    fail(where, ": bars want categories on the x axis");
  check_axis(panel.x, "x", where);
  check_axis(panel.y, "y", where);
  size_t points = 0;
  for (const ChartSeries& series : panel.series) {
    check_series(series, panel, chart, concat(where, ", series '", series.name, "'"));
    points += series.x.size();
  }
  if (points == 0) fail(where, " has no points");
  if (panel.trend)
    check_numbers({panel.trend->slope, panel.trend->intercept}, "trend", AxisScale::kLinear, where);
}

void check(const Chart& chart) {
  if (chart.panels.empty()) fail("the chart has no panels");
  if (chart.width < 200 || chart.width > kMostPixels)
    fail("the chart is ", chart.width, " pixels wide; want 200 to ", kMostPixels);
  if (chart.panel_height < 50 || chart.panel_height > kMostPixels)
    fail("the chart's panels are ", chart.panel_height, " pixels high; want 50 to ", kMostPixels);
  for (size_t i = 0; i < chart.panels.size(); ++i)
    check_panel(chart.panels[i], chart, name_of(chart.panels[i], i));
}

void draw_legend(Canvas& canvas, const ChartPlan& plan) {
  for (const LegendEntry& entry : plan.legend) {
    const CanvasPoint at = entry.place;
    const double middle = at.x + 11;
    if (entry.sign == LegendSign::kLine)
      canvas.line({{at.x, at.y}, {at.x + 22, at.y}}, {entry.look.colour, 2, entry.dashed});
    if (entry.sign == LegendSign::kLine || entry.sign == LegendSign::kMarker)
      canvas.marker(entry.look.marker, {middle, at.y}, kMarker, entry.look.colour);
    if (entry.sign == LegendSign::kBox)
      canvas.fill({middle - 8, at.y - 6, middle + 8, at.y + 6}, entry.look.colour);
    const double sign = entry.sign == LegendSign::kNone ? 0 : kLegendSignWidth;
    canvas.text(entry.text, {at.x + sign, at.y}, {kLabelText, kText, TextAnchor::kStart, 0});
  }
}

void draw_bar(Canvas& canvas, const Chart& chart, const ChartPlan& plan, const ChartLooks& looks) {
  if (plan.bar.width() <= 0) return;
  const bool named = chart.colours && !chart.colours->names.empty();
  const int pieces = named ? static_cast<int>(chart.colours->names.size()) : 128;
  const double height = plan.bar.height() / pieces;
  for (int i = 0; i < pieces; ++i) {
    const double share = named ? static_cast<double>(i) / (pieces - 1) : (i + 0.5) / pieces;
    const double bottom = plan.bar.bottom - i * height;
    // Pieces overlap: no light seam between two of them.
    const double top = std::max(plan.bar.top, bottom - height - 0.6);
    canvas.fill({plan.bar.left, top, plan.bar.right, bottom}, sequence_colour(share));
  }
  for (const AxisTick& tick : plan.bar_ticks) {
    const double share = named ? (tick.value + 0.5) / pieces
                               : AxisRange{looks.low(), looks.high()}.place(tick.value);
    canvas.text(tick.text, {plan.bar.right + 7, plan.bar.bottom - share * plan.bar.height()},
                {kTickText, kText, TextAnchor::kStart, 0});
  }
  if (!chart.colours) return;
  canvas.text(chart.colours->title,
              {chart.width - kEdge - kLabelText * 0.5, (plan.bar.top + plan.bar.bottom) / 2},
              {kLabelText, kText, TextAnchor::kMiddle, 90});
}

}  // namespace

std::string draw_chart(const Chart& chart, const std::filesystem::path& font, ChartFormat format) {
  check(chart);
  const FontOutlines outlines(font);
  const ChartLooks looks(chart);
  const ChartPlan plan = plan_chart(chart, looks, outlines);
  if (plan.height > kMostPixels)
    fail("the chart is ", plan.height, " pixels high; want at most ", kMostPixels);
  Canvas canvas(plan.width, plan.height, format, outlines);
  canvas.text(chart.title, {kEdge, plan.title_y}, {kTitleText, kText, TextAnchor::kStart, 0});
  draw_legend(canvas, plan);
  for (size_t i = 0; i < chart.panels.size(); ++i)
    draw_panel(canvas, chart.panels[i], plan.panels[i], looks);
  draw_bar(canvas, chart, plan, looks);
  return canvas.finish();
}

void write_chart(const Chart& chart, const std::filesystem::path& font,
                 const std::filesystem::path& output) {
  const std::string ending = output.extension().string();
  if (ending != ".png" && ending != ".svg")
    fail(output.string(), " ends with '", ending, "'; want .png or .svg");
  const ChartFormat format = ending == ".png" ? ChartFormat::kPng : ChartFormat::kSvg;
  const std::string bytes = draw_chart(chart, font, format);
  if (output.has_parent_path()) std::filesystem::create_directories(output.parent_path());
  write_file_atomically(output, bytes);
}

}  // namespace dorabooth
