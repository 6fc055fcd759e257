// The Export window.
#pragma once

#include "ui/desktop/action.h"
#include "ui/desktop/state.h"
#include "ui/desktop/widgets/widgets.h"

namespace dorabooth {

void draw_export(const State& state, Actions& actions, Widgets& widgets);

}  // namespace dorabooth
