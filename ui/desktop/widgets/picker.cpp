#include "ui/desktop/widgets/picker.h"

#include <imgui.h>
#include <imgui_stdlib.h>

#include <filesystem>

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

void draw_path(const PickerState& picker, Actions& actions) {
  if (ImGui::Button("Up"))
    actions.add(FileAction(PickerGo{fs::path(picker.folder).parent_path().string()}));
  ImGui::SameLine();
  std::string folder = picker.folder;
  ImGui::SetNextItemWidth(-1);
  if (ImGui::InputText("##folder", &folder, ImGuiInputTextFlags_EnterReturnsTrue))
    actions.add(FileAction(PickerGo{folder}));
}

void draw_entry(const PickerState& picker, const FolderEntry& entry, Actions& actions) {
  const std::string label = entry.name + (entry.folder ? "/" : "");
  ImGui::PushID(entry.name.c_str());
  if (ImGui::Selectable((label + "###entry").c_str(), picker.name == entry.name,
                        ImGuiSelectableFlags_AllowDoubleClick)) {
    // By mouse or by key, the second time goes in.
    if (entry.folder && picker.name == entry.name) {
      actions.add(FileAction(PickerGo{(fs::path(picker.folder) / entry.name).string()}));
    } else {
      actions.add(FileAction(PickerName{entry.name}));
    }
  }
  ImGui::PopID();
}

}  // namespace

void draw_picker(const State& state, Actions& actions) {
  const PickerState& picker = state.picker;
  if (!picker.question) return;
  const float size = ImGui::GetFontSize();
  const ImGuiViewport* viewport = ImGui::GetMainViewport();
  ImGui::SetNextWindowPos(viewport->GetWorkCenter(), ImGuiCond_Appearing, {0.5F, 0.5F});
  ImGui::SetNextWindowSize({42 * size, 28 * size}, ImGuiCond_Appearing);
  ImGui::Begin(
      "Choose a file", nullptr,
      ImGuiWindowFlags_NoSavedSettings | ImGuiWindowFlags_NoDocking | ImGuiWindowFlags_NoCollapse);
  ImGui::TextUnformatted(picker.question->title.c_str());
  draw_path(picker, actions);
  const float below = 2.5F * ImGui::GetFrameHeightWithSpacing();
  const bool folders_only = picker.question->kind == FileQuestionKind::kOpenFolder;
  if (ImGui::BeginChild("##entries", {0, -below}, ImGuiChildFlags_Borders)) {
    for (const FolderEntry& entry : picker.entries) {
      if (entry.folder || !folders_only) draw_entry(picker, entry, actions);
    }
    if (picker.entries.empty()) ImGui::TextDisabled("Nothing is in this folder.");
  }
  ImGui::EndChild();
  std::string name = picker.name;
  ImGui::SetNextItemWidth(-1);
  if (ImGui::IsWindowAppearing()) ImGui::SetKeyboardFocusHere();
  if (ImGui::InputTextWithHint("##name", folders_only ? "this folder, or a name" : "name", &name))
    actions.add(FileAction(PickerName{name}));
  if (ImGui::IsItemDeactivated() && ImGui::IsKeyPressed(ImGuiKey_Enter) && !name.empty())
    actions.add(FileAction(PickerClosed{true}));
  ImGui::BeginDisabled(picker.name.empty() && !folders_only);
  if (ImGui::Button("Choose")) actions.add(FileAction(PickerClosed{true}));
  ImGui::EndDisabled();
  ImGui::SameLine();
  if (ImGui::Button("Cancel") || ImGui::Shortcut(ImGuiKey_Escape))
    actions.add(FileAction(PickerClosed{false}));
  ImGui::End();
}

}  // namespace dorabooth
