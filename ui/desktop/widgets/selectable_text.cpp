#include "ui/desktop/widgets/selectable_text.h"

#include <imgui.h>

namespace dorabooth {

void draw_selectable_text(const char* id, const std::string& text) {
  const ImVec2 padding = {0, ImGui::GetStyle().FramePadding.y};
  ImGui::PushStyleVar(ImGuiStyleVar_FramePadding, padding);
  ImGui::PushStyleColor(ImGuiCol_FrameBg, ImVec4(0, 0, 0, 0));
  // Lines may be wrapped a little earlier than they are measured.
  const float wrap = ImGui::GetContentRegionAvail().x - ImGui::GetFontSize();
  const float height = ImGui::CalcTextSize(text.c_str(), nullptr, false, wrap).y + 2 * padding.y;
  constexpr ImGuiInputTextFlags kFlags =
      ImGuiInputTextFlags_ReadOnly | ImGuiInputTextFlags_WordWrap | ImGuiInputTextFlags_NoUndoRedo;
  // Read only: the buffer is not written to.
  ImGui::InputTextMultiline(id, const_cast<char*>(text.c_str()), text.size() + 1, {-1, height},
                            kFlags);
  ImGui::PopStyleColor();
  ImGui::PopStyleVar();
}

}  // namespace dorabooth
