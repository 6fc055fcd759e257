// The sum over at most so many steps is spread over the others: an epoch's sizes repeat.
#include "pipelines/parts/time_forecast.h"

#include <algorithm>

namespace dorabooth {

std::optional<double> TimeForecast::add(int64_t step, double seconds) {
  constexpr int64_t kMostSummed = 10000;
  if (step == first_) first_seconds_ = seconds;
  if (step != first_ + 1) return std::nullopt;
  const int64_t left = end_ - first_ - 2;
  const int64_t summed = std::min(left, kMostSummed);
  double work = 0.0;
  for (int64_t i = 0; i < summed; ++i) work += work_(first_ + 2 + i);
  if (summed > 0) work *= static_cast<double>(left) / static_cast<double>(summed);
  return first_seconds_ + seconds + seconds / work_(step) * work + others_;
}

}  // namespace dorabooth
