// Plots of the analysis: ΔM against ΔD with the line of each series, and both by layer.
#pragma once

#include "ui/desktop/action.h"
#include "ui/desktop/analyze_state.h"

namespace dorabooth {

// The chosen layer's points are ringed.
void draw_change_scatter(const AnalyzeState& analyze, float height);
// Of every series the last step. A click chooses a layer.
void draw_change_bars(const AnalyzeState& analyze, float height, Actions& actions);

}  // namespace dorabooth
