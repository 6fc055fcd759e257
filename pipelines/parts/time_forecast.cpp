// The sum over at most so many steps is spread over the others: an epoch's sizes repeat.
#include "pipelines/parts/time_forecast.h"

#include <algorithm>

namespace dorabooth {

std::optional<double> TimeForecast::add(int64_t step, double seconds) {
  constexpr int64_t kMostSummed = 10000;
  spent_ += seconds;
  const int64_t number = step - first_;
  if (number < 1 || number > 2) return std::nullopt;
  const double rate = seconds / work_(step);
  rate_ = number == 1 ? rate : std::min(rate_, rate);
  if (number == 1) return std::nullopt;
  const int64_t left = end_ - step - 1;
  const int64_t summed = std::min(left, kMostSummed);
  double work = 0.0;
  for (int64_t i = 0; i < summed; ++i) work += work_(step + 1 + i);
  if (summed > 0) work *= static_cast<double>(left) / static_cast<double>(summed);
  return spent_ + rate_ * work + others_;
}

}  // namespace dorabooth
