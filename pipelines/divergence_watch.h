// Notices a loss that runs away: over ten times the untrained model's for 20 steps in a row, as
// after a learning rate that is far too high.
#pragma once

#include <cstdint>

namespace dorabooth {

class DivergenceWatch {
 public:
  static constexpr double kTimesStart = 10.0;
  static constexpr int64_t kStepsInARow = 20;

  // `start` is the mean loss before any update.
  explicit DivergenceWatch(double start) : start_(start) {}

  // True once in a run that diverges: in the step that completes the row.
  bool add(double loss);
  bool diverged() const { return diverged_; }

 private:
  double start_;
  int64_t in_a_row_ = 0;
  bool diverged_ = false;
};

}  // namespace dorabooth
