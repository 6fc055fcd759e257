#include "ui/desktop/widgets/change_plot.h"

#include <implot.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

namespace dorabooth {

namespace {

// A plot that is fitted keeps its points off its edges.
class FitRoom {
 public:
  FitRoom() { ImPlot::PushStyleVar(ImPlotStyleVar_FitPadding, ImVec2(0.03F, 0.1F)); }
  ~FitRoom() { ImPlot::PopStyleVar(); }
  FitRoom(const FitRoom&) = delete;
  FitRoom& operator=(const FitRoom&) = delete;
};

struct Points {
  std::vector<double> direction;
  std::vector<double> magnitude;
  void add(const WeightChange& change) {
    direction.push_back(change.direction);
    magnitude.push_back(change.magnitude);
  }
  int size() const { return static_cast<int>(direction.size()); }
};

// The names of the plots change with what they show, so that each is fitted once and then keeps
// what a person zoomed to.
std::string plot_name(const char* title, const AnalyzeState& analyze) {
  return std::string(title) + "##" + std::to_string(analyze.reports) +
         (analyze.axis == VectorAxis::kOutput ? "_output" : "_input");
}

void draw_line(const std::string& name, const Points& points, const ChangeTrend& trend, int color) {
  if (points.size() < 2 || !std::isfinite(trend.slope)) return;
  const auto [low, high] = std::ranges::minmax(points.direction);
  const double x[] = {low, high};
  const double y[] = {trend.intercept + trend.slope * low, trend.intercept + trend.slope * high};
  ImPlotSpec spec;
  spec.LineColor = ImPlot::GetColormapColor(color);
  spec.LineWeight = 1.5F * ImGui::GetFontSize() / 15;
  ImPlot::PlotLine(name.c_str(), x, y, 2, spec);
}

void draw_points(const std::string& name, const Points& points, int color) {
  ImPlotSpec spec;
  spec.Marker = static_cast<ImPlotMarker>(ImPlotMarker_Circle + color % 6);
  spec.MarkerSize = 3.5F * ImGui::GetFontSize() / 15;
  spec.MarkerFillColor = spec.MarkerLineColor = ImPlot::GetColormapColor(color);
  spec.LineColor = spec.FillColor = spec.MarkerFillColor;
  ImPlot::PlotScatter(name.c_str(), points.direction.data(), points.magnitude.data(), points.size(),
                      spec);
}

void draw_rings(const Points& chosen) {
  ImPlotSpec spec;
  spec.Marker = ImPlotMarker_Circle;
  spec.MarkerSize = 7 * ImGui::GetFontSize() / 15;
  spec.MarkerFillColor = {0, 0, 0, 0};
  spec.MarkerLineColor = spec.LineColor = ImGui::GetStyleColorVec4(ImGuiCol_Text);
  spec.LineWeight = 1.5F * ImGui::GetFontSize() / 15;
  ImPlot::PlotScatter("##chosen", chosen.direction.data(), chosen.magnitude.data(), chosen.size(),
                      spec);
}

// Of each layer the change at the series' last step, in the order of `layers`; NaN where it has
// none.
Points last_changes(const ChangeSeries& series, VectorAxis axis,
                    const std::map<std::string, size_t>& layers) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  Points points;
  points.direction.assign(layers.size(), kNone);
  points.magnitude.assign(layers.size(), kNone);
  for (const LayerChange& record : series.records) {  // by layer, then by step
    const size_t place = layers.at(record.layer);
    points.direction[place] = change_on(axis, record).direction;
    points.magnitude[place] = change_on(axis, record).magnitude;
  }
  return points;
}

std::map<std::string, size_t> all_layers(const AnalyzeReport& report) {
  std::map<std::string, size_t> layers;
  for (const ChangeSeries& series : report.series) {
    for (const LayerChange& record : series.records) layers[record.layer] = 0;
  }
  size_t place = 0;
  for (auto& [layer, index] : layers) index = place++;
  return layers;
}

struct Bars {
  const char* title;
  std::vector<double> Points::*values;
  std::vector<Points> series;
};

// The layer under the pointer, to be named and, clicked, chosen.
void take_pointer(const std::map<std::string, size_t>& layers, Actions& actions) {
  if (!ImPlot::IsPlotHovered()) return;
  const double x = std::round(ImPlot::GetPlotMousePos().x);
  if (x < 0 || x >= static_cast<double>(layers.size())) return;
  const auto& layer = std::next(layers.begin(), static_cast<std::ptrdiff_t>(x))->first;
  ImGui::SetTooltip("%s", layer.c_str());
  if (ImGui::IsMouseClicked(ImGuiMouseButton_Left)) actions.add(AnalyzeAction(ChooseLayer{layer}));
}

void draw_bars(const AnalyzeState& analyze, const Bars& bars, float height,
               const std::map<std::string, size_t>& layers, Actions& actions) {
  const auto count = static_cast<double>(bars.series.size());
  const double width = 0.8 / count;
  // The colours stand in the table of the series.
  const FitRoom room;
  if (!ImPlot::BeginPlot(plot_name(bars.title, analyze).c_str(), {-1, height},
                         ImPlotFlags_NoMouseText | ImPlotFlags_NoLegend))
    return;
  ImPlot::SetupAxes(nullptr, nullptr, ImPlotAxisFlags_NoTickLabels | ImPlotAxisFlags_NoGridLines);
  ImPlot::SetupAxisLimits(ImAxis_X1, -1, static_cast<double>(layers.size()));
  for (size_t i = 0; i < bars.series.size(); ++i) {
    const std::vector<double>& values = bars.series[i].*bars.values;
    ImPlotSpec spec;
    spec.FillColor = spec.LineColor = ImPlot::GetColormapColor(static_cast<int>(i));
    ImPlot::PlotBars(analyze.report->series[i].name.c_str(), values.data(),
                     static_cast<int>(values.size()), width,
                     (static_cast<double>(i) - 0.5 * (count - 1)) * width, spec);
  }
  if (const auto chosen = layers.find(analyze.layer); chosen != layers.end()) {
    const double x = static_cast<double>(chosen->second);
    ImPlotSpec spec;
    spec.LineColor = ImGui::GetStyleColorVec4(ImGuiCol_Text);
    ImPlot::PlotInfLines("##chosen", &x, 1, spec);
  }
  take_pointer(layers, actions);
  ImPlot::EndPlot();
}

}  // namespace

void draw_change_scatter(const AnalyzeState& analyze, float height) {
  const FitRoom room;
  if (!ImPlot::BeginPlot(plot_name("", analyze).c_str(), {-1, height})) return;
  ImPlot::SetupAxes("ΔD (direction)", "ΔM (magnitude)");
  ImPlot::SetupLegend(ImPlotLocation_SouthEast);
  Points chosen;
  int color = 0;
  for (const ChangeSeries& series : analyze.report->series) {
    Points points;
    for (const LayerChange& record : series.records) {
      points.add(change_on(analyze.axis, record));
      if (record.layer == analyze.layer) chosen.add(change_on(analyze.axis, record));
    }
    draw_points(series.name, points, color);
    draw_line(series.name, points, trend_on(analyze.axis, series), color);
    ++color;
  }
  if (chosen.size() > 0) draw_rings(chosen);
  ImPlot::EndPlot();
}

void draw_change_bars(const AnalyzeState& analyze, float height, Actions& actions) {
  const std::map<std::string, size_t> layers = all_layers(*analyze.report);
  std::vector<Points> changes;
  for (const ChangeSeries& series : analyze.report->series)
    changes.push_back(last_changes(series, analyze.axis, layers));
  const float each = 0.5F * (height - ImGui::GetStyle().ItemSpacing.y);
  draw_bars(analyze, {"ΔM by layer", &Points::magnitude, changes}, each, layers, actions);
  draw_bars(analyze, {"ΔD by layer", &Points::direction, changes}, each, layers, actions);
}

}  // namespace dorabooth
