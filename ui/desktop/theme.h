// Colours and spacing: neutral grey around pictures, so that their colours are judged fairly, and
// one accent.
#pragma once

#include <imgui.h>

#include <string>

namespace dorabooth {

// `theme` is "dark" or "light"; sizes are multiplied by `scale`.
void apply_theme(const std::string& theme, float scale);

ImVec4 accent_text_color();
ImVec4 error_text_color();
ImVec4 warning_text_color();

}  // namespace dorabooth
