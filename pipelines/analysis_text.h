// An analysis as text for other programs: a table, and JSON with the correlations.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "pipelines/analyze.h"

namespace dorabooth {

// `axis`: output, input, both. A line for each series, layer, step and axis.
std::string analysis_csv(const AnalyzeReport& report, const std::string& axis);
// Numbers that are not defined (the correlation of one point) are null.
nlohmann::json analysis_json(const AnalyzeReport& report, const std::string& axis);

}  // namespace dorabooth
