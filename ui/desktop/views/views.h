// The windows. Each draws the state as it is and says in actions what a person asked for.
#pragma once

#include "ui/desktop/action.h"
#include "ui/desktop/state.h"
#include "ui/desktop/widgets/widgets.h"

namespace dorabooth {

using View = void (*)(const State&, Actions&, Widgets&);

// Menu bar, dock space, all open windows, notices and the picker.
void draw_desktop(const State& state, Actions& actions, Widgets& widgets);

View view_of(WindowId window);

}  // namespace dorabooth
