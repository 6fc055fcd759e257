// The schedules' formulas.
#include "src/optimizer/lr_schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "src/base/error.h"

namespace dorabooth {

double LrSchedule::factor(int64_t step, double base) const {
  if (name == "constant") return 1;
  const double at = static_cast<double>(step);
  const double warmup = static_cast<double>(warmup_steps);
  if (step < warmup_steps) return at / std::max(1.0, warmup);
  if (name == "constant_with_warmup") return 1;

  const double total = static_cast<double>(total_steps);
  const double length = std::max(1.0, total - warmup);
  const double progress = (at - warmup) / length;
  const auto half_cosine = [](double turns) {
    return std::max(0.0, 0.5 * (1 + std::cos(std::numbers::pi * turns)));
  };
  if (name == "linear") return std::max(0.0, (total - at) / length);
  if (name == "cosine") return half_cosine(progress);
  if (name == "cosine_with_restarts") {
    return progress >= 1 ? 0 : half_cosine(std::fmod(num_cycles * progress, 1.0));
  }
  if (name == "polynomial") {
    if (!(base > end)) {
      fail("a polynomial schedule goes down to ", end, ", the learning rate is ", base);
    }
    if (step > total_steps) return end / base;
    return ((base - end) * std::pow(1 - progress, power) + end) / base;
  }
  throw UsageError(concat("learning-rate schedule '", name, "' is not known",
                          did_you_mean(name, lr_schedule_names())));
}

const std::vector<std::string>& lr_schedule_names() {
  static const std::vector<std::string> names = {"constant", "constant_with_warmup", "linear",
                                                 "cosine",   "cosine_with_restarts", "polynomial"};
  return names;
}

}  // namespace dorabooth
