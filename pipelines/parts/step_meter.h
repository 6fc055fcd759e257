// Counts the steps of a pipeline and tells how long each takes and how much time is left.
#pragma once

#include <chrono>
#include <string>

#include "pipelines/progress.h"

namespace dorabooth {

class StepMeter {
 public:
  // Sends StartedEvent; `progress` outlives it.
  StepMeter(Progress& progress, const std::string& what, int64_t total);
  // Sends a StepEvent with the mean time of the steps so far.
  void step(std::vector<std::pair<std::string, double>> values = {});

 private:
  Progress& progress_;
  int64_t total_;
  int64_t done_ = 0;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace dorabooth
