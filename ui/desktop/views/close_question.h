// The question before the program closes while a heavy job runs.
#pragma once

#include "ui/desktop/action.h"
#include "ui/desktop/state.h"

namespace dorabooth {

// Item names: window "Close the program?", "Stop and close", "Close when it is done", "Stay open".
void draw_close_question(const State& state, Actions& actions);

}  // namespace dorabooth
