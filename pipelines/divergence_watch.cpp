// Counts steps above the limit.
#include "pipelines/divergence_watch.h"

namespace dorabooth {

bool DivergenceWatch::add(double loss) {
  in_a_row_ = loss > kTimesStart * start_ ? in_a_row_ + 1 : 0;
  if (diverged_ || in_a_row_ < kStepsInARow) return false;
  diverged_ = true;
  return true;
}

}  // namespace dorabooth
