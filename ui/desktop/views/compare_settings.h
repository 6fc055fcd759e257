// The left side of the Compare window: what is drawn.
#pragma once

#include "ui/desktop/action.h"
#include "ui/desktop/compare_cells.h"

namespace dorabooth {

// Item names: "##prompts", "Load prompts...", the form's; for the column I "##name_I",
// "##strength_I", "Sweep##I", "Remove##I"; "Add a file...", "Checkpoints of a run...", "Add##PATH"
// for an adapter of the last run, "##sweep", "Draw again while a strength moves"; "Take the
// settings of a picture..."; "Open##PATH" and "Forget##PATH" for a favourite.
void draw_compare_settings(const State& state, Actions& actions);

}  // namespace dorabooth
