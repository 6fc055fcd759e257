// Tables of the analysis: a row for each series, and one for each of its layers and steps.
#pragma once

#include "ui/desktop/action.h"
#include "ui/desktop/analyze_state.h"

namespace dorabooth {

void draw_series_table(const AnalyzeReport& report, VectorAxis axis);
// Sorted by its headings; a click chooses the row's layer.
void draw_change_table(const AnalyzeState& analyze, Actions& actions);

}  // namespace dorabooth
