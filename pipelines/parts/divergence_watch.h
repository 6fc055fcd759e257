// Notices a loss that runs away: over 20 steps, more than ten times the untrained model's, as after
// a learning rate that is far too high. The mean of the 20 is what counts: single losses vary
// tenfold with the timestep.
#pragma once

#include <array>
#include <cstdint>

namespace dorabooth {

class DivergenceWatch {
 public:
  static constexpr double kTimesStart = 10.0;
  static constexpr int64_t kSteps = 20;

  // `start` is the mean loss before any update.
  explicit DivergenceWatch(double start) : start_(start) {}

  // True once in a run that diverges.
  bool add(double loss);
  bool diverged() const { return diverged_; }

 private:
  double start_;
  std::array<double, kSteps> last_{};
  int64_t count_ = 0;
  bool diverged_ = false;
};

}  // namespace dorabooth
