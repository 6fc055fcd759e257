// What the Analyze window shows: the changes of all layers, in the order of its table.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pipelines/analyze.h"

namespace dorabooth {

struct ChangeRow {
  std::string series;
  LayerChange change;
};

struct AnalyzeState {
  std::optional<AnalyzeReport> report;
  int64_t reports = 0;  // how many there were: a new one is fitted into the plots
  VectorAxis axis = VectorAxis::kOutput;
  std::vector<ChangeRow> rows;  // of `report`
  std::string layer;            // the chosen one
};

inline const WeightChange& change_on(VectorAxis axis, const LayerChange& one) {
  return axis == VectorAxis::kOutput ? one.output : one.input;
}
inline const ChangeTrend& trend_on(VectorAxis axis, const ChangeSeries& series) {
  return axis == VectorAxis::kOutput ? series.output : series.input;
}

}  // namespace dorabooth
