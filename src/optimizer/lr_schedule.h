// Learning rate over time: the schedules of diffusers' get_scheduler, by its names.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dorabooth {

struct LrSchedule {
  std::string name = "constant";
  int64_t warmup_steps = 0;
  int64_t total_steps = 0;
  double num_cycles = 1;  // cosine_with_restarts
  double power = 1;       // polynomial
  double end = 1e-7;      // polynomial: the learning rate at total_steps

  // What step number `step` (from 0) multiplies `base` by. With warm-up, step 0 has factor 0.
  double factor(int64_t step, double base) const;
};

const std::vector<std::string>& lr_schedule_names();

}  // namespace dorabooth
