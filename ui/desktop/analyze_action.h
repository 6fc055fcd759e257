// Actions of the Analyze window.
#pragma once

#include <string>
#include <variant>

#include "pipelines/analyze.h"

namespace dorabooth {

struct StartAnalyze {};
struct StopAnalyze {};
struct AnalyzeDone {
  AnalyzeReport report;
};
struct ShowNormAxis {
  VectorAxis axis = VectorAxis::kOutput;
};
enum class ChangeColumn { kLayer, kSeries, kStep, kMagnitude, kDirection };
struct SortChanges {
  ChangeColumn column = ChangeColumn::kLayer;
  bool descending = false;
};
// Marks the layer's points in the plots; "" marks none.
struct ChooseLayer {
  std::string layer;
};

using AnalyzeAction =
    std::variant<StartAnalyze, StopAnalyze, AnalyzeDone, ShowNormAxis, SortChanges, ChooseLayer>;

}  // namespace dorabooth
