#include "src/report/chart_plan.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <sstream>

namespace dorabooth {

namespace {

using namespace chart_size;

constexpr double kTickGap = 7;            // between the plot and a tick's text
constexpr double kBarWidth = 16;          // of the colours' bar
constexpr double kLongestCategory = 190;  // pixels; longer ones are cut
constexpr double kSlant = 0.70710678;     // of 45 degrees

// Cut at the end, so that it is at most `width` wide.
std::string cut(const std::string& text, double size, double width, const FontOutlines& font) {
  if (font.width(text, size) <= width) return text;
  std::string shorter = text;
  while (!shorter.empty() && font.width(shorter + "…", size) > width) {
    while (shorter.size() > 1 && (static_cast<unsigned char>(shorter.back()) & 0xc0) == 0x80)
      shorter.pop_back();
    shorter.pop_back();
  }
  return shorter + "…";
}

std::vector<std::string> wrapped(const std::string& text, double size, double width,
                                 const FontOutlines& font) {
  std::vector<std::string> lines;
  std::istringstream given(text);
  for (std::string line; std::getline(given, line);) {
    std::string built;
    std::istringstream words(line);
    for (std::string word; words >> word;) {
      const std::string longer = built.empty() ? word : built + " " + word;
      if (!built.empty() && font.width(longer, size) > width) {
        lines.push_back(built);
        built = word;
      } else {
        built = longer;
      }
    }
    lines.push_back(built);
  }
  return lines;
}

class Planner {
 public:
  Planner(const Chart& chart, const ChartLooks& looks, const FontOutlines& font)
      : chart_(chart), looks_(looks), font_(font) {
    plan_.width = chart.width;
    plan_.panels.resize(chart.panels.size());
    columns_ = chart.columns > 0
                   ? std::min<size_t>(static_cast<size_t>(chart.columns), chart.panels.size())
                   : chart.panels.size();
    rows_ = (chart.panels.size() + columns_ - 1) / columns_;
  }

  ChartPlan plan() {
    take_ranges();
    place_legend();
    place_columns();
    place_rows();
    place_bar();
    plan_.height = static_cast<int>(std::ceil(y_ + kEdge * 0.5));
    return plan_;
  }

 private:
  std::vector<double> values(const ChartPanel& panel, bool of_x) const {
    std::vector<double> all;
    for (const ChartSeries& series : panel.series) {
      for (size_t i = 0; i < series.x.size(); ++i) {
        const double spread = of_x || series.spread.empty() ? 0 : series.spread[i];
        const double value = of_x ? series.x[i] : series.y[i];
        // A spread that reaches below 0 has no logarithm: its point counts.
        const bool has_low = panel.y.scale == AxisScale::kLinear || value - spread > 0;
        all.push_back(has_low ? value - spread : value);
        all.push_back(value + spread);
      }
    }
    return all;
  }

  void take_ranges() {
    std::vector<double> all_x, all_y;
    for (const ChartPanel& panel : chart_.panels) {
      std::ranges::copy(values(panel, true), std::back_inserter(all_x));
      std::ranges::copy(values(panel, false), std::back_inserter(all_y));
    }
    for (size_t i = 0; i < plan_.panels.size(); ++i) {
      const ChartPanel& panel = chart_.panels[i];
      const bool bars = panel.kind == PanelKind::kBars;
      PlannedPanel& planned = plan_.panels[i];
      planned.x = axis_range(panel.x, chart_.share_x ? all_x : values(panel, true), false);
      planned.y = axis_range(panel.y, chart_.share_y ? all_y : values(panel, false), bars);
      planned.y_ticks = axis_ticks(panel.y, planned.y, std::max(4, chart_.panel_height / 40));
      planned.shows_y = !chart_.share_y || i % columns_ == 0;
    }
  }

  std::vector<LegendEntry> legend_entries() const {
    std::vector<LegendEntry> entries;
    std::set<std::string> seen;
    for (const ChartPanel& panel : chart_.panels) {
      const LegendSign sign = panel.kind == PanelKind::kScatter ? LegendSign::kMarker
                              : panel.kind == PanelKind::kLines ? LegendSign::kLine
                                                                : LegendSign::kBox;
      for (const ChartSeries& series : panel.series) {
        if (series.name.empty() || !seen.insert(series.name).second) continue;
        entries.push_back({series.name, sign, looks_.of(series), series.dashed, {}});
      }
    }
    if (!looks_.has_legend()) return entries;
    if (!chart_.colours->title.empty())
      entries.push_back({chart_.colours->title + ":", LegendSign::kNone, {}, false, {}});
    for (size_t i = 0; i < chart_.colours->names.size(); ++i) {
      const SeriesLook look{looks_.of_value(static_cast<double>(i)), 0};
      entries.push_back({chart_.colours->names[i], LegendSign::kBox, look, false, {}});
    }
    return entries;
  }

  void place_legend() {
    y_ = kEdge;
    if (!chart_.title.empty()) {
      plan_.title_y = y_ + kTitleText * 0.5;
      y_ += kTitleText * kLine + 4;
    }
    plan_.legend = legend_entries();
    double x = kEdge;
    for (LegendEntry& entry : plan_.legend) {
      const double sign = entry.sign == LegendSign::kNone ? 0 : kLegendSignWidth;
      const double width = sign + font_.width(entry.text, kLabelText);
      if (x > kEdge && x + width > chart_.width - kEdge) {
        x = kEdge;
        y_ += kLabelText * kLine;
      }
      entry.place = {x, y_ + kLabelText * 0.5};
      x += width + (sign > 0 ? 22 : 10);
    }
    if (!plan_.legend.empty()) y_ += kLabelText * kLine + 6;
  }

  // Beside the panels: the bar, and the texts left and right of it.
  double bar_room() {
    if (!looks_.has_bar()) return 0;
    ChartAxis axis;
    const bool named = chart_.colours && !chart_.colours->names.empty();
    AxisRange range{looks_.low(), looks_.high(), AxisScale::kLinear};
    if (!named && range.high <= range.low) range.high = range.low + 1;
    if (named) axis.categories = chart_.colours->names;
    std::vector<AxisTick> ticks = axis_ticks(axis, range, 8);
    const size_t most = static_cast<size_t>(chart_.panel_height / (kTickText * kLine));
    const size_t stride = (ticks.size() + most - 1) / most;
    double widest = 0;
    for (size_t i = 0; i < ticks.size(); i += stride) {
      ticks[i].text = cut(ticks[i].text, kTickText, kLongestCategory, font_);
      widest = std::max(widest, font_.width(ticks[i].text, kTickText));
      plan_.bar_ticks.push_back(ticks[i]);
    }
    const bool titled = chart_.colours && !chart_.colours->title.empty();
    return kBarWidth + kTickGap + widest + (titled ? kLabelText * kLine : 0) + 20;
  }

  double left_of(size_t panel) const {
    const PlannedPanel& planned = plan_.panels[panel];
    if (!planned.shows_y) return 14;
    double widest = 0;
    for (const AxisTick& tick : planned.y_ticks)
      widest = std::max(widest, font_.width(tick.text, kTickText));
    const double label = chart_.panels[panel].y.label.empty() ? 4 : kLabelText * kLine;
    return label + widest + kTickGap + (panel % columns_ == 0 ? 0 : 16);
  }

  void place_columns() {
    bar_room_ = bar_room();
    std::vector<double> lefts(columns_, 0);
    for (size_t i = 0; i < plan_.panels.size(); ++i)
      lefts[i % columns_] = std::max(lefts[i % columns_], left_of(i));
    const auto panel_width = [&] {
      double room = chart_.width - 2 * kEdge - bar_room_ - 6;
      for (const double left : lefts) room -= left;
      return std::max(40.0, room / static_cast<double>(columns_));
    };
    double width = panel_width();
    for (size_t i = 0; i < plan_.panels.size(); ++i) turn_texts(i, width);
    // A slanted text of the first column may need more room on the left than the y axis does.
    for (size_t i = 0; i < plan_.panels.size(); i += columns_)
      lefts[0] = std::max(lefts[0], slanted_reach(plan_.panels[i], width));
    width = panel_width();
    for (size_t i = 0; i < plan_.panels.size(); ++i) turn_texts(i, width);
    double x = kEdge;
    std::vector<double> starts(columns_);
    for (size_t column = 0; column < columns_; ++column) {
      x += lefts[column];
      starts[column] = std::round(x) + 0.5;
      x += width;
    }
    for (size_t i = 0; i < plan_.panels.size(); ++i) {
      PlannedPanel& planned = plan_.panels[i];
      planned.plot.left = starts[i % columns_];
      planned.plot.right = std::floor(planned.plot.left + width);
      planned.y_label_x =
          planned.plot.left - left_of(i) + kLabelText * 0.6 + (i % columns_ == 0 ? 0 : 16);
      planned.title_lines = wrapped(chart_.panels[i].title, kPanelText, width, font_);
    }
  }

  // How far texts at x reach over the plot's left end.
  double slanted_reach(const PlannedPanel& planned, double width) const {
    double reach = 0;
    if (planned.x_degrees != 45) return reach;
    for (const AxisTick& tick : planned.x_ticks) {
      const double text = font_.width(tick.text, kTickText) * kSlant;
      reach = std::max(reach, text - planned.x.place(tick.value) * width);
    }
    return reach;
  }

  // Ticks of x, the texts' turn, and fewer texts where they would overlap.
  void turn_texts(size_t panel, double width) {
    PlannedPanel& planned = plan_.panels[panel];
    const ChartAxis& axis = chart_.panels[panel].x;
    planned.x_ticks = axis_ticks(axis, planned.x, std::max(2, static_cast<int>(width / 65)));
    planned.x_degrees = 0;
    const size_t count = axis.categories.size();
    if (count == 0) {
      thin_out(planned, width, 6);
      return;
    }
    double widest = 0;
    for (AxisTick& tick : planned.x_ticks) {
      tick.text = cut(tick.text, kTickText, kLongestCategory, font_);
      widest = std::max(widest, font_.width(tick.text, kTickText));
    }
    const double slot = width / static_cast<double>(count);
    if (widest <= slot - 8) return;
    planned.x_degrees = slot >= kTickText * kLine ? 45 : 90;
    const double height = kTickText * 1.15;
    const auto stride = static_cast<size_t>(std::ceil(height / slot));
    for (size_t i = 0; i < count; ++i) {
      if (i % std::max<size_t>(1, stride) != 0) planned.x_ticks[i].text.clear();
    }
  }

  void thin_out(PlannedPanel& planned, double width, double gap) const {
    double end = -1e9;
    for (AxisTick& tick : planned.x_ticks) {
      const double half = font_.width(tick.text, kTickText) / 2;
      const double middle = planned.x.place(tick.value) * width;
      if (middle - half < end + gap) {
        tick.text.clear();
      } else {
        end = middle + half;
      }
    }
  }

  double texts_below(const PlannedPanel& planned) const {
    double deepest = kTickText;
    for (const AxisTick& tick : planned.x_ticks) {
      const double width = font_.width(tick.text, kTickText);
      if (planned.x_degrees == 45) deepest = std::max(deepest, (width + kTickText) * kSlant);
      if (planned.x_degrees == 90) deepest = std::max(deepest, width);
    }
    return kTickGap + deepest + 4;
  }

  void place_rows() {
    for (size_t row = 0; row < rows_; ++row) {
      const size_t first = row * columns_;
      const size_t end = std::min(first + columns_, plan_.panels.size());
      double titles = 0;
      double below = 0;
      bool labels = false;
      for (size_t i = first; i < end; ++i) {
        const PlannedPanel& planned = plan_.panels[i];
        titles = std::max(titles, static_cast<double>(planned.title_lines.size()));
        below = std::max(below, texts_below(planned));
        labels = labels || !chart_.panels[i].x.label.empty();
      }
      const double top = std::round(y_ + titles * kPanelText * kLine + 8) + 0.5;
      for (size_t i = first; i < end; ++i) {
        PlannedPanel& planned = plan_.panels[i];
        planned.plot.top = top;
        planned.plot.bottom = top + chart_.panel_height;
        planned.x_label_y = planned.plot.bottom + below + kLabelText * 0.6;
      }
      y_ = top + chart_.panel_height + below + (labels ? kLabelText * kLine : 0) + 8;
    }
  }

  void place_bar() {
    if (!looks_.has_bar()) return;
    const CanvasBox& beside = plan_.panels[columns_ - 1].plot;
    plan_.bar = {beside.right + 20, beside.top, beside.right + 20 + kBarWidth, beside.bottom};
  }

  const Chart& chart_;
  const ChartLooks& looks_;
  const FontOutlines& font_;
  ChartPlan plan_;
  size_t columns_ = 1;
  size_t rows_ = 1;
  double bar_room_ = 0;
  double y_ = 0;  // where the next part begins
};

}  // namespace

ChartPlan plan_chart(const Chart& chart, const ChartLooks& looks, const FontOutlines& font) {
  return Planner(chart, looks, font).plan();
}

}  // namespace dorabooth
