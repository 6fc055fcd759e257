// Errors and warnings over the windows, until they are dismissed.
#pragma once

#include "ui/desktop/action.h"
#include "ui/desktop/state.h"

namespace dorabooth {

// Item names: window "Notices", "Copy##ID", "Close##ID", and "Close all" above several.
void draw_notices(const State& state, Actions& actions);

}  // namespace dorabooth
