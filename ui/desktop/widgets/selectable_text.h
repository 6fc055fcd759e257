// Text that can be selected and copied with mouse or keys, wrapped and as high as it needs.
#pragma once

#include <string>

namespace dorabooth {

void draw_selectable_text(const char* id, const std::string& text);

}  // namespace dorabooth
