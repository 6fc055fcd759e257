// What a training run would do, without training: every picture's bucket, scaled size, crop and
// loss of area, as a list and as sheets with the crops drawn in; and what the run would need.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "pipelines/forecast.h"
#include "pipelines/progress.h"
#include "pipelines/survey.h"
#include "pipelines/train.h"

namespace dorabooth {

struct DryRunReport {
  DatasetReport dataset;
  std::vector<std::string> sheets;  // paths of the pages
  RunForecast forecast;
  bool stopped = false;
};

// Writes OUT/dry_run/pictures-1.png, …, and nothing else. Warns through `progress` of each picture
// that loses more than a fifth of its area or has another fault. Throws what training would throw
// before its first step for reasons that can be known without loading the base.
DryRunReport dry_run(const TrainConfig& config, Progress& progress, std::stop_token stop);

}  // namespace dorabooth
