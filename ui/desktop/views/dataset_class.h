// The pictures of the class that a run may train on beside those of the subject.
#pragma once

#include "ui/desktop/action.h"
#include "ui/desktop/state.h"
#include "ui/desktop/widgets/widgets.h"

namespace dorabooth {

// Item names: "Train on class pictures too", "Choose their folder...", a picture by "##" and its
// file name.
void draw_dataset_class(const State& state, Actions& actions, Widgets& widgets);

}  // namespace dorabooth
