// A sweep as text: a line a run for other programs, a table over the seeds for people.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "pipelines/sweep.h"

namespace dorabooth {

// "to_q+to_k", "0.001": a swept value as it stands in labels and tables.
std::string value_text(const nlohmann::json& value);

nlohmann::json sweep_run_json(const SweepRun& run);
// `values`: the point's, whose order JSON does not keep.
SweepRun sweep_run_from_json(const nlohmann::json& json, const PointValues& values);

// A line for each run and adapter; a failed run has one with its reason.
std::string sweep_csv(const SweepReport& report);
// Markdown: fields, adapter, runs, parameters, loss with its change against the base and, where
// there are several adapters, that change's difference from the first one's, seed by seed; the
// distance of drawn pictures where it was measured. ± is the standard deviation over the seeds.
std::string sweep_table(const SweepReport& report);
nlohmann::json sweep_json(const SweepReport& report);

}  // namespace dorabooth
