// Curves as they are plotted: smoothed, and with no more points than a plot can show.
#pragma once

#include <cstddef>

#include "ui/desktop/train_state.h"

namespace dorabooth {

// Exponential moving average, corrected for its start: the weight of the value `k` steps ago is
// proportional to weight^k.
std::vector<double> smoothed(const std::vector<double>& values, double weight);

// At most `points` of the curve, the last one among them.
Curve thinned(const Curve& curve, size_t points);

}  // namespace dorabooth
