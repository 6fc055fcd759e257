// The thumbnails of the Dataset window with their crops.
#pragma once

#include "ui/desktop/action.h"
#include "ui/desktop/state.h"
#include "ui/desktop/widgets/widgets.h"

namespace dorabooth {

// The items that tests drive: "##NAME" (a picture), "Only with warnings", "Size". `height` is that
// of the whole with the line above it.
void draw_dataset_grid(const State& state, Actions& actions, Widgets& widgets, float height);

}  // namespace dorabooth
