// A word where a text has letters that no font of this machine draws.
#pragma once

#include <string>

namespace dorabooth {

// "" if all can be drawn.
std::string missing_glyphs_note(const std::string& text);
void draw_missing_glyphs_note(const std::string& text);

}  // namespace dorabooth
