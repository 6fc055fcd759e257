#include "ui/desktop/views/log.h"

#include <imgui.h>
#include <imgui_stdlib.h>

#include <algorithm>
#include <cmath>

#include "ui/desktop/theme.h"

namespace dorabooth {

namespace {

ImVec4 color_of(const Message& message) {
  if (message.kind == MessageKind::kError) return error_text_color();
  if (message.kind == MessageKind::kWarning) return warning_text_color();
  return ImGui::GetStyleColorVec4(ImGuiCol_Text);
}

void draw_filter(const LogState& log, Actions& actions) {
  constexpr const char* kLevels[] = {"All messages", "Warnings and errors", "Errors"};
  ImGui::SetNextItemWidth(12 * ImGui::GetFontSize());
  if (ImGui::BeginCombo("##level", kLevels[static_cast<int>(log.filter.least)])) {
    for (const MessageKind kind :
         {MessageKind::kInfo, MessageKind::kWarning, MessageKind::kError}) {
      if (ImGui::Selectable(kLevels[static_cast<int>(kind)], kind == log.filter.least))
        actions.add(AppAction(ShowMessages{kind}));
    }
    ImGui::EndCombo();
  }
  ImGui::SameLine();
  std::string search = log.filter.search;
  ImGui::SetNextItemWidth(-11 * ImGui::GetFontSize());
  if (ImGui::InputTextWithHint("##search", "Search the messages", &search))
    actions.add(AppAction(SearchLog{search}));
  ImGui::SameLine();
  ImGui::BeginDisabled(log.messages.empty());
  if (ImGui::Button("Copy all")) actions.add(AppAction(CopyLog{}));
  ImGui::SameLine();
  if (ImGui::Button("Clear")) actions.add(AppAction(ClearLog{}));
  ImGui::EndDisabled();
}

// A line is chosen by a click or by the keys, and copied by its menu or by Ctrl+C.
void draw_line(const Message& message, int number, Actions& actions) {
  const std::string line = line_of(message);
  ImGui::PushID(number);
  const ImVec2 start = ImGui::GetCursorPos();
  const float width = ImGui::GetContentRegionAvail().x;
  const float height = ImGui::CalcTextSize(line.c_str(), nullptr, false, width).y;
  ImGui::Selectable("##line", false, ImGuiSelectableFlags_AllowOverlap, {0, height});
  const bool copy = ImGui::IsItemFocused() && ImGui::Shortcut(ImGuiMod_Ctrl | ImGuiKey_C);
  if (copy) actions.add(AppAction(CopyText{line}));
  if (ImGui::BeginPopupContextItem("menu")) {
    if (ImGui::MenuItem("Copy the line", "Ctrl+C")) actions.add(AppAction(CopyText{line}));
    ImGui::EndPopup();
  }
  ImGui::SetCursorPos(start);
  ImGui::PushStyleColor(ImGuiCol_Text, color_of(message));
  ImGui::TextWrapped("%s", line.c_str());
  ImGui::PopStyleColor();
  ImGui::PopID();
}

}  // namespace

void draw_log(const State& state, Actions& actions, Widgets&) {
  const LogState& log = state.log;
  draw_filter(log, actions);
  if (log.messages.empty()) {
    ImGui::TextWrapped("Messages and errors of running work appear here, the newest last.");
    return;
  }
  // Whole lines, so that none is cut at an edge.
  const float line = ImGui::GetTextLineHeightWithSpacing();
  const float height = std::floor(ImGui::GetContentRegionAvail().y / line) * line;
  if (!ImGui::BeginChild("Messages", {0, std::max(line, height)})) return ImGui::EndChild();
  const bool at_end = ImGui::GetScrollY() >= ImGui::GetScrollMaxY();
  int shown = 0;
  for (size_t i = 0; i < log.messages.size(); ++i) {
    if (!is_shown(log.messages[i], log.filter)) continue;
    draw_line(log.messages[i], static_cast<int>(i), actions);
    ++shown;
  }
  if (shown == 0) ImGui::TextWrapped("No message fits. Clear the search, or show all messages.");
  if (at_end) ImGui::SetScrollHereY(1);
  ImGui::EndChild();
}

}  // namespace dorabooth
