// The Analyze window: how far training moved each layer in magnitude and in direction.
#pragma once

#include "ui/desktop/action.h"
#include "ui/desktop/state.h"
#include "ui/desktop/widgets/widgets.h"

namespace dorabooth {

void draw_analyze(const State& state, Actions& actions, Widgets& widgets);

}  // namespace dorabooth
