// How the windows lie at the first start.
#pragma once

namespace dorabooth {

// The dock space under all windows; `reset` lays them out anew, and so does a start without a saved
// layout.
void draw_dock_space(bool reset);

}  // namespace dorabooth
