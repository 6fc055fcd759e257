#include "ui/desktop/curves.h"

#include <algorithm>

namespace dorabooth {

std::vector<double> smoothed(const std::vector<double>& values, double weight) {
  std::vector<double> result;
  result.reserve(values.size());
  double sum = 0;
  double weights = 0;
  for (const double value : values) {
    sum = sum * weight + value;
    weights = weights * weight + 1;
    result.push_back(sum / weights);
  }
  return result;
}

Curve thinned(const Curve& curve, size_t points) {
  const size_t size = curve.values.size();
  if (size <= points || points < 2) return curve;
  const size_t stride = (size + points - 1) / points;
  Curve result;
  // Counted from the end, so that the newest point is always there.
  for (size_t i = (size - 1) % stride; i < size; i += stride) {
    result.steps.push_back(curve.steps[i]);
    result.values.push_back(curve.values[i]);
  }
  return result;
}

}  // namespace dorabooth
