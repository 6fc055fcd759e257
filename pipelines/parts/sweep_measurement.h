// What a sweep measures of its runs: the loss on held-out pictures, and how near drawn pictures
// come to the real ones. Internal to pipelines/sweep.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "pipelines/sweep.h"

namespace dorabooth {

struct BaseMeasure {
  double loss = 0.0;
  std::optional<double> image_distance;
};

// The settings that a measurement depends on, apart from the adapter: equal for runs whose base
// measures the same.
nlohmann::json measurement_settings(const SweepRequest& request, const TrainConfig& config);

// Nothing if it was asked to stop. Pictures that are drawn go to `folder`.
std::optional<BaseMeasure> measure_base(const SweepRequest& request, const TrainConfig& config,
                                        const std::string& folder, Progress& progress,
                                        std::stop_token stop);

// The same of the adapters of one run, each alone, beside what the base measures.
std::optional<std::vector<SweepMeasure>> measure_adapters(
    const SweepRequest& request, const TrainConfig& config,
    const std::vector<TrainedAdapter>& adapters, const BaseMeasure& base, const std::string& folder,
    Progress& progress, std::stop_token stop);

}  // namespace dorabooth
