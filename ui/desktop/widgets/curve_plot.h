// A plot of the run's curves over the steps.
#pragma once

#include <string>
#include <vector>

#include "ui/desktop/train_state.h"

namespace dorabooth {

struct PlottedCurve {
  std::string label;
  const Curve* curve = nullptr;
};

struct CurvePlot {
  std::string title;
  std::vector<PlottedCurve> curves;
  double smoothing = 0.0;  // above 0 the raw curve stands thin behind the smoothed one
  bool log_scale = false;
  float height = 0;
};

void draw_curve_plot(const CurvePlot& plot);

}  // namespace dorabooth
