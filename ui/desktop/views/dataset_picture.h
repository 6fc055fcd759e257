// The selected picture of the Dataset window: its crop, its caption, what is wrong with it.
#pragma once

#include "ui/desktop/action.h"
#include "ui/desktop/state.h"
#include "ui/desktop/widgets/widgets.h"

namespace dorabooth {

// The items that tests drive: those of drag_crop(), "Left", "Top", "Width", "Reset crop" (also the
// Delete key anywhere in the window), "##caption".
void draw_dataset_picture(const State& state, Actions& actions, Widgets& widgets);

}  // namespace dorabooth
