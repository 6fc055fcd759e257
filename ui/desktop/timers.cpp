#include "ui/desktop/timers.h"

#include <algorithm>

namespace dorabooth {

void Timers::set(const SetTimer& timer) {
  moments_[timer.timer] = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                             std::chrono::duration<double>(timer.seconds));
}

std::vector<TimerId> Timers::take() {
  std::vector<TimerId> rang;
  const Clock::time_point now = Clock::now();
  std::erase_if(moments_, [&](const auto& item) {
    if (item.second > now) return false;
    rang.push_back(item.first);
    return true;
  });
  return rang;
}

double Timers::seconds_to_next() const {
  double seconds = 1e9;
  for (const auto& [id, moment] : moments_) {
    const std::chrono::duration<double> left = moment - Clock::now();
    seconds = std::min(seconds, std::max(0.0, left.count()));
  }
  return seconds;
}

}  // namespace dorabooth
