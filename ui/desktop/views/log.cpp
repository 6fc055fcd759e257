#include "ui/desktop/views/log.h"

#include <imgui.h>

#include "ui/desktop/theme.h"

namespace dorabooth {

namespace {

std::string line_of(const Message& message) {
  const char* kind = message.kind == MessageKind::kError     ? "error: "
                     : message.kind == MessageKind::kWarning ? "warning: "
                                                             : "";
  return "[" + message.source + "] " + kind + message.text;
}

ImVec4 color_of(const Message& message) {
  if (message.kind == MessageKind::kError) return error_text_color();
  if (message.kind == MessageKind::kWarning) return warning_text_color();
  return ImGui::GetStyleColorVec4(ImGuiCol_Text);
}

}  // namespace

void draw_log(const State& state, Actions& actions, Widgets&) {
  if (state.log.messages.empty()) {
    ImGui::TextWrapped("Messages of running work appear here.");
    return;
  }
  if (ImGui::Button("Copy all")) {
    std::string text;
    for (const Message& message : state.log.messages) text += line_of(message) + "\n";
    actions.add(AppAction(CopyText{text}));
  }
  if (!ImGui::BeginChild("Messages")) return ImGui::EndChild();
  for (const Message& message : state.log.messages) {
    ImGui::PushStyleColor(ImGuiCol_Text, color_of(message));
    ImGui::TextWrapped("%s", line_of(message).c_str());
    ImGui::PopStyleColor();
  }
  if (ImGui::GetScrollY() >= ImGui::GetScrollMaxY()) ImGui::SetScrollHereY(1);
  ImGui::EndChild();
}

}  // namespace dorabooth
