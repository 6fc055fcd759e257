// How long a run will take, from its second and third step. Internal to pipelines/train.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

namespace dorabooth {

class TimeForecast {
 public:
  // Steps [first, end); `work(step)` is what a step costs relative to others (pixels of its rows);
  // `others` are the seconds that validations and the like will take in all.
  TimeForecast(int64_t first, int64_t end, std::function<double(int64_t)> work, double others)
      : first_(first), end_(end), work_(std::move(work)), others_(others) {}

  // After `step`, which took so many seconds: the seconds of the whole run, told once, after its
  // third step. The first one also pays for what is made once; of the two probes after it the
  // faster one gives the rate, since a step is slowed by other work and never sped up.
  std::optional<double> add(int64_t step, double seconds);

 private:
  int64_t first_;
  int64_t end_;
  std::function<double(int64_t)> work_;
  double others_;
  double spent_ = 0.0;  // seconds of the first steps
  double rate_ = 0.0;   // seconds a unit of work
};

}  // namespace dorabooth
