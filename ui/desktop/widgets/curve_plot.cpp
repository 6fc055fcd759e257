#include "ui/desktop/widgets/curve_plot.h"

#include <implot.h>

#include "ui/desktop/curves.h"

namespace dorabooth {

namespace {

constexpr size_t kPoints = 4096;

void draw_line(const std::string& label, const Curve& curve, int color, float alpha, float weight) {
  ImPlotSpec spec;
  spec.LineColor = ImPlot::GetColormapColor(color);
  spec.LineColor.w = alpha;
  spec.LineWeight = weight * ImGui::GetFontSize() / 15;
  ImPlot::PlotLine(label.c_str(), curve.steps.data(), curve.values.data(),
                   static_cast<int>(curve.values.size()), spec);
}

// `above`: how many curves are drawn over it; it is as much thicker, so that equal ones are all
// seen.
void draw_curve(const PlottedCurve& plotted, double smoothing, int color, size_t above) {
  const float thicker = 2.5F * static_cast<float>(above);
  if (smoothing <= 0)
    return draw_line(plotted.label, thinned(*plotted.curve, kPoints), color, 1, 1.5F + thicker);
  draw_line("##raw_" + plotted.label, thinned(*plotted.curve, kPoints), color, 0.3F, 1);
  const Curve smooth{plotted.curve->steps, smoothed(plotted.curve->values, smoothing)};
  draw_line(plotted.label, thinned(smooth, kPoints), color, 1, 2 + thicker);
}

}  // namespace

void draw_curve_plot(const CurvePlot& plot) {
  const ImPlotFlags flags = plot.curves.size() > 1 ? ImPlotFlags_None : ImPlotFlags_NoLegend;
  if (!ImPlot::BeginPlot(plot.title.c_str(), {-1, plot.height}, flags)) return;
  ImPlot::SetupAxes(nullptr, nullptr, ImPlotAxisFlags_AutoFit, ImPlotAxisFlags_AutoFit);
  ImPlot::SetupLegend(ImPlotLocation_NorthEast);
  if (plot.log_scale) ImPlot::SetupAxisScale(ImAxis_Y1, ImPlotScale_Log10);
  for (size_t i = 0; i < plot.curves.size(); ++i)
    draw_curve(plot.curves[i], plot.smoothing, static_cast<int>(i), plot.curves.size() - 1 - i);
  ImPlot::EndPlot();
}

}  // namespace dorabooth
