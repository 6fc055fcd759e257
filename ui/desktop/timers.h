// Moments that the program waits for, on the main thread's clock.
#pragma once

#include <chrono>
#include <map>
#include <vector>

#include "ui/desktop/effect.h"

namespace dorabooth {

class Timers {
 public:
  // Replaces an earlier moment of this timer.
  void set(const SetTimer& timer);
  // Those that rang since the last call.
  std::vector<TimerId> take();
  // Large if none is set.
  double seconds_to_next() const;

 private:
  using Clock = std::chrono::steady_clock;
  std::map<TimerId, Clock::time_point> moments_;
};

}  // namespace dorabooth
