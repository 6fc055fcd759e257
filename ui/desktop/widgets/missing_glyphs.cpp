#include "ui/desktop/widgets/missing_glyphs.h"

#include <imgui.h>
#include <imgui_internal.h>

#include <algorithm>

#include "ui/desktop/theme.h"

namespace dorabooth {

namespace {

bool is_plain(const std::string& text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace

std::string missing_glyphs_note(const std::string& text) {
  if (is_plain(text)) return "";
  ImFont* font = ImGui::GetFont();
  const char* end = text.data() + text.size();
  for (const char* at = text.data(); at < end;) {
    unsigned letter = 0;
    at += ImTextCharFromUtf8(&letter, at, end);
    if (letter < 0x80 || font->IsGlyphInFont(static_cast<ImWchar>(letter))) continue;
    return "Some of these letters cannot be shown here; they are used all the same. For Chinese, "
           "Japanese and Korean install the font Noto Sans CJK (Debian: fonts-noto-cjk) and start "
           "the program again.";
  }
  return "";
}

void draw_missing_glyphs_note(const std::string& text) {
  const std::string note = missing_glyphs_note(text);
  if (note.empty()) return;
  ImGui::PushStyleColor(ImGuiCol_Text, warning_text_color());
  ImGui::TextWrapped("%s", note.c_str());
  ImGui::PopStyleColor();
}

}  // namespace dorabooth
