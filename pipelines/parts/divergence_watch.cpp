// The mean of the last steps against the limit.
#include "pipelines/parts/divergence_watch.h"

#include <numeric>

namespace dorabooth {

bool DivergenceWatch::add(double loss) {
  last_[static_cast<size_t>(count_++ % kSteps)] = loss;
  const double mean = std::accumulate(last_.begin(), last_.end(), 0.0) / kSteps;
  if (diverged_ || count_ < kSteps || mean <= kTimesStart * start_) return false;
  diverged_ = true;
  return true;
}

}  // namespace dorabooth
