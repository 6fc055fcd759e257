// The text font, with a font of the system behind it for what it lacks (Chinese, Japanese,
// Korean).
#pragma once

#include <string>

namespace dorabooth {

// Glyphs are drawn when they are first used; a missing file leaves ImGui's built-in font.
// The first font for Chinese, Japanese and Korean that is there; "": none.
std::string installed_cjk_font();

void load_fonts(const std::string& assets);

}  // namespace dorabooth
