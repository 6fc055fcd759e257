#include "ui/desktop/widgets/path_text.h"

#include <imgui.h>

namespace dorabooth {

void show_end_of_path(const std::string& text) {
  if (ImGui::IsItemActive()) return;
  const ImGuiStyle& style = ImGui::GetStyle();
  const ImVec2 first = ImGui::GetItemRectMin();
  const ImVec2 last = ImGui::GetItemRectMax();
  const float width = last.x - first.x - 2 * style.FramePadding.x;
  if (ImGui::CalcTextSize(text.c_str()).x <= width) return;
  const std::string dots = "…";
  size_t begin = 0;
  const auto is_inside_letter = [&] {
    return begin < text.size() && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80;
  };
  do {
    ++begin;
    while (is_inside_letter()) ++begin;
  } while (begin < text.size() &&
           ImGui::CalcTextSize((dots + text.substr(begin)).c_str()).x > width);
  ImDrawList& list = *ImGui::GetWindowDrawList();
  // Opaque also where everything is dimmed: the whole text lies below.
  ImVec4 ground = style.Colors[ImGuiCol_WindowBg];
  ground.w = 1;
  list.AddRectFilled(first, last, ImGui::ColorConvertFloat4ToU32(ground), style.FrameRounding);
  list.AddRectFilled(first, last, ImGui::GetColorU32(ImGuiCol_FrameBg), style.FrameRounding);
  list.AddText({first.x + style.FramePadding.x, first.y + style.FramePadding.y},
               ImGui::GetColorU32(ImGuiCol_Text), (dots + text.substr(begin)).c_str());
}

}  // namespace dorabooth
