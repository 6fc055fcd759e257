// A layer's name in a cell that may be too narrow for it.
#pragma once

#include <string>

namespace dorabooth {

// The end of a name tells the layers apart: what has no room is left out at its start.
std::string end_that_fits(const std::string& name, float width);
void draw_layer_name(const std::string& name);

}  // namespace dorabooth
