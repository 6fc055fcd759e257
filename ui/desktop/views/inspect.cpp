#include "ui/desktop/views/inspect.h"

#include <imgui.h>

#include "ui/desktop/theme.h"

namespace dorabooth {

void draw_inspect(const State& state, Actions& actions, Widgets&) {
  const InspectState& inspect = state.inspect;
  ImGui::TextWrapped("Drop a .safetensors file on this window, or choose one, to see what it is.");
  if (ImGui::Button("Choose a file...")) {
    FileQuestion question;
    question.use = FileUse::kInspect;
    question.title = "Inspect a file";
    question.start = inspect.path;
    actions.add(FileAction(AskForFile{question}));
  }
  if (inspect.path.empty()) return;
  ImGui::SeparatorText(inspect.path.c_str());
  ImGui::TextWrapped("%s", inspect.summary.c_str());
  for (const auto& [name, value] : inspect.facts)
    ImGui::TextWrapped("%s: %s", name.c_str(), value.c_str());
  ImGui::PushStyleColor(ImGuiCol_Text, warning_text_color());
  for (const std::string& problem : inspect.problems)
    ImGui::TextWrapped("Problem: %s", problem.c_str());
  ImGui::PopStyleColor();
}

}  // namespace dorabooth
