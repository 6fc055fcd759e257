// Paths in boxes that are too short for them.
#pragma once

#include <string>

namespace dorabooth {

// After an input of `text` that is not being edited: covers it by the text's end, where a path's
// name is, if it is longer than the box.
void show_end_of_path(const std::string& text);

}  // namespace dorabooth
