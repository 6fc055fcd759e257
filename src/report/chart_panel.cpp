// Grid, then bars, lines and points inside the plot, then axes and texts.
#include "src/report/chart_panel.h"

#include <algorithm>
#include <cmath>

namespace dorabooth {

namespace {

using namespace chart_size;

constexpr ChartColour kGrid = {0.89, 0.89, 0.89, 1.0};
constexpr ChartColour kAxis = {0.3, 0.3, 0.3, 1.0};
constexpr double kBarShare = 0.8;  // of a category's width

class PanelDrawing {
 public:
  PanelDrawing(Canvas& canvas, const ChartPanel& panel, const PlannedPanel& planned,
               const ChartLooks& looks)
      : canvas_(canvas), panel_(panel), planned_(planned), plot_(planned.plot), looks_(looks) {}

  void draw() {
    draw_grid();
    {
      // A marker on the plot's edge is drawn whole.
      constexpr double kOver = kMarker * 1.5;
      const Canvas::Clip clip(canvas_, {plot_.left - kOver, plot_.top - kOver, plot_.right + kOver,
                                        plot_.bottom + kOver});
      for (size_t i = 0; i < panel_.series.size(); ++i) {
        const ChartSeries& series = panel_.series[i];
        if (panel_.kind == PanelKind::kBars) draw_bars(series, i);
        if (panel_.kind == PanelKind::kLines) draw_lines(series);
        if (panel_.kind == PanelKind::kScatter) draw_points(series);
      }
    }
    if (panel_.trend) {
      const Canvas::Clip clip(canvas_, plot_);
      draw_trend(*panel_.trend);
    }
    draw_axes();
    draw_texts();
  }

 private:
  double x_of(double value) const { return plot_.left + planned_.x.place(value) * plot_.width(); }
  double y_of(double value) const {
    return plot_.bottom - planned_.y.place(value) * plot_.height();
  }
  CanvasPoint point_of(const ChartSeries& series, size_t i) const {
    return {x_of(series.x[i]), y_of(series.y[i])};
  }

  void draw_grid() {
    if (panel_.kind != PanelKind::kBars) {
      for (const AxisTick& tick : planned_.x_ticks) {
        const double x = x_of(tick.value);
        canvas_.line({{x, plot_.top}, {x, plot_.bottom}}, {kGrid, 1, false});
      }
    }
    for (const AxisTick& tick : planned_.y_ticks) {
      const double y = y_of(tick.value);
      canvas_.line({{plot_.left, y}, {plot_.right, y}}, {kGrid, 1, false});
    }
  }

  void draw_trend(const TrendLine& trend) {
    double low = INFINITY;
    double high = -INFINITY;
    for (const ChartSeries& series : panel_.series) {
      for (const double x : series.x) {
        low = std::min(low, x);
        high = std::max(high, x);
      }
    }
    // Straight on linear axes only.
    constexpr int kPieces = 64;
    std::vector<CanvasPoint> points;
    for (int i = 0; i <= kPieces; ++i) {
      const double x = low + (high - low) * i / kPieces;
      const double y = trend.intercept + trend.slope * x;
      const bool is_there = planned_.y.scale == AxisScale::kLinear || y > 0;
      if (is_there) points.push_back({x_of(x), y_of(y)});
    }
    if (planned_.x.scale == AxisScale::kLinear && planned_.y.scale == AxisScale::kLinear)
      points = {points.front(), points.back()};
    canvas_.line(points, {kAxis, 1.6, true});
  }

  void draw_spread(double x, double y, double spread, const ChartColour& colour) {
    const double top = y_of(y + spread);
    const bool has_low = planned_.y.scale == AxisScale::kLinear || y - spread > 0;
    const double bottom = has_low ? y_of(y - spread) : plot_.bottom;
    const CanvasStroke stroke = {colour, 1.3, false};
    canvas_.line({{x, top}, {x, bottom}}, stroke);
    canvas_.line({{x - 4, top}, {x + 4, top}}, stroke);
    if (has_low) canvas_.line({{x - 4, bottom}, {x + 4, bottom}}, stroke);
  }

  void draw_bars(const ChartSeries& series, size_t number) {
    const double slot = plot_.width() / static_cast<double>(panel_.x.categories.size());
    const double width = kBarShare * slot / static_cast<double>(panel_.series.size());
    const ChartColour colour = looks_.of(series).colour;
    const double zero = std::clamp(y_of(0), plot_.top, plot_.bottom);
    for (size_t i = 0; i < series.x.size(); ++i) {
      const double left =
          x_of(series.x[i]) - kBarShare * slot / 2 + width * static_cast<double>(number);
      const double y = y_of(series.y[i]);
      canvas_.fill({left, std::min(y, zero), left + width, std::max(y, zero)}, colour);
      if (!series.spread.empty())
        draw_spread(left + width / 2, series.y[i], series.spread[i], kAxis);
    }
  }

  void draw_lines(const ChartSeries& series) {
    const SeriesLook look = looks_.of(series);
    std::vector<CanvasPoint> points;
    for (size_t i = 0; i < series.x.size(); ++i) points.push_back(point_of(series, i));
    canvas_.line(points, {look.colour, 2, series.dashed});
    for (size_t i = 0; i < series.spread.size(); ++i)
      draw_spread(points[i].x, series.y[i], series.spread[i], look.colour);
    for (const CanvasPoint& point : points)
      canvas_.marker(look.marker, point, kMarker, look.colour);
  }

  void draw_points(const ChartSeries& series) {
    const SeriesLook look = looks_.of(series);
    for (size_t i = 0; i < series.x.size(); ++i) {
      ChartColour colour = look.colour;
      if (!series.colour_value.empty()) colour = looks_.of_value(series.colour_value[i]);
      if (!series.spread.empty())
        draw_spread(x_of(series.x[i]), series.y[i], series.spread[i], colour);
      colour.opacity = 0.85;
      canvas_.marker(look.marker, point_of(series, i), kMarker, colour);
    }
  }

  void draw_axes() {
    const CanvasStroke stroke = {kAxis, 1, false};
    canvas_.line({{plot_.left, plot_.top}, {plot_.left, plot_.bottom}, {plot_.right, plot_.bottom}},
                 stroke);
    for (const AxisTick& tick : planned_.x_ticks) {
      const double x = x_of(tick.value);
      canvas_.line({{x, plot_.bottom}, {x, plot_.bottom + 4}}, stroke);
    }
    if (!planned_.shows_y) return;
    for (const AxisTick& tick : planned_.y_ticks) {
      const double y = y_of(tick.value);
      canvas_.line({{plot_.left - 4, y}, {plot_.left, y}}, stroke);
    }
  }

  void draw_texts() {
    CanvasText text{kTickText, kText, TextAnchor::kMiddle, -planned_.x_degrees};
    if (planned_.x_degrees != 0) text.anchor = TextAnchor::kEnd;
    const double below = planned_.x_degrees == 0 ? kTickText * 0.5 + 7 : 9;
    for (const AxisTick& tick : planned_.x_ticks)
      canvas_.text(tick.text, {x_of(tick.value), plot_.bottom + below}, text);
    if (planned_.shows_y) {
      for (const AxisTick& tick : planned_.y_ticks)
        canvas_.text(tick.text, {plot_.left - 7, y_of(tick.value)},
                     {kTickText, kText, TextAnchor::kEnd, 0});
      canvas_.text(panel_.y.label, {planned_.y_label_x, (plot_.top + plot_.bottom) / 2},
                   {kLabelText, kText, TextAnchor::kMiddle, -90});
    }
    const double middle = (plot_.left + plot_.right) / 2;
    canvas_.text(panel_.x.label, {middle, planned_.x_label_y},
                 {kLabelText, kText, TextAnchor::kMiddle, 0});
    double y = plot_.top - 12;
    for (size_t i = planned_.title_lines.size(); i-- > 0; y -= kPanelText * kLine)
      canvas_.text(planned_.title_lines[i], {middle, y},
                   {kPanelText, kText, TextAnchor::kMiddle, 0});
  }

  Canvas& canvas_;
  const ChartPanel& panel_;
  const PlannedPanel& planned_;
  const CanvasBox& plot_;
  const ChartLooks& looks_;
};

}  // namespace

void draw_panel(Canvas& canvas, const ChartPanel& panel, const PlannedPanel& planned,
                const ChartLooks& looks) {
  PanelDrawing(canvas, panel, planned, looks).draw();
}

}  // namespace dorabooth
