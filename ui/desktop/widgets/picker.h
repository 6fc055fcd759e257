// The built-in picker of files and folders.
#pragma once

#include "ui/desktop/action.h"
#include "ui/desktop/state.h"

namespace dorabooth {

// Item names: window "Choose a file", "##folder", "Up", the entries by name, "##name", "Choose",
// "Cancel".
void draw_picker(const State& state, Actions& actions);

}  // namespace dorabooth
