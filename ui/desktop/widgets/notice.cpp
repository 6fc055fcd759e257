#include "ui/desktop/widgets/notice.h"

#include <imgui.h>

#include "ui/desktop/theme.h"
#include "ui/desktop/widgets/selectable_text.h"

namespace dorabooth {

namespace {

void draw_one(const Notice& notice, Actions& actions) {
  const bool error = notice.message.kind == MessageKind::kError;
  ImGui::PushStyleColor(ImGuiCol_Text, error ? error_text_color() : warning_text_color());
  ImGui::TextUnformatted(
      (std::string(error ? "Error" : "Warning") + " in " + notice.message.source).c_str());
  ImGui::PopStyleColor();
  const std::string id = "##" + std::to_string(notice.id);
  draw_selectable_text(("##text" + id).c_str(), notice.message.text);
  if (ImGui::Button(("Copy" + id).c_str())) actions.add(AppAction(CopyText{notice.message.text}));
  ImGui::SameLine();
  if (ImGui::Button(("Close" + id).c_str())) actions.add(AppAction(DismissNotice{notice.id}));
}

}  // namespace

void draw_notices(const State& state, Actions& actions) {
  const auto& notices = state.log.notices;
  if (notices.empty()) return;
  const ImGuiViewport* viewport = ImGui::GetMainViewport();
  const float size = ImGui::GetFontSize();
  const ImVec2 corner = {viewport->WorkPos.x + viewport->WorkSize.x - size,
                         viewport->WorkPos.y + viewport->WorkSize.y - size};
  ImGui::SetNextWindowPos(corner, ImGuiCond_Always, {1, 1});
  ImGui::SetNextWindowSizeConstraints({30 * size, 0}, {30 * size, 0.6F * viewport->WorkSize.y});
  constexpr ImGuiWindowFlags kFlags =
      ImGuiWindowFlags_NoDecoration | ImGuiWindowFlags_NoMove | ImGuiWindowFlags_NoSavedSettings |
      ImGuiWindowFlags_AlwaysAutoResize | ImGuiWindowFlags_NoDocking |
      ImGuiWindowFlags_NoFocusOnAppearing;
  ImGui::Begin("Notices", nullptr, kFlags & ~ImGuiWindowFlags_NoScrollbar);
  if (notices.size() > 1 && ImGui::Button("Close all")) actions.add(AppAction(DismissAllNotices{}));
  // The newest first.
  for (auto notice = notices.rbegin(); notice != notices.rend(); ++notice) {
    if (notice != notices.rbegin()) ImGui::Separator();
    draw_one(*notice, actions);
  }
  ImGui::End();
}

}  // namespace dorabooth
