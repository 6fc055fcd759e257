// Draws one panel of a chart where the plan has put it.
#pragma once

#include "src/report/canvas.h"
#include "src/report/chart_plan.h"

namespace dorabooth {

void draw_panel(Canvas& canvas, const ChartPanel& panel, const PlannedPanel& planned,
                const ChartLooks& looks);

}  // namespace dorabooth
