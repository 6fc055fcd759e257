#include "ui/desktop/menu.h"

#include <imgui.h>
#include <imgui_internal.h>

#include <cstring>

namespace dorabooth {

namespace {

Action ask(FileQuestionKind kind, FileUse use, const char* title, const std::string& start) {
  FileQuestion question;
  question.kind = kind;
  question.use = use;
  question.title = title;
  question.start = start;
  return FileAction(AskForFile{question});
}

void add_file_items(std::vector<MenuItem>& items, const State& state) {
  const std::string& home = state.places.home;
  items.push_back({"File", "New project", ImGuiMod_Ctrl | ImGuiKey_N, FileAction(NewProject{}),
                   !state.jobs[JobId::kTrain].active()});
  items.push_back({"File", "Open project...", ImGuiMod_Ctrl | ImGuiKey_O,
                   ask(FileQuestionKind::kOpenFile, FileUse::kOpenProject, "Open a project", home),
                   !state.jobs[JobId::kTrain].active()});
  items.push_back({"File", "Save project as...", ImGuiMod_Ctrl | ImGuiMod_Shift | ImGuiKey_S,
                   ask(FileQuestionKind::kSaveFile, FileUse::kSaveProject, "Save the project as",
                       home + "/project.json"),
                   true});
  items.push_back({"File", "Inspect a file...", ImGuiMod_Ctrl | ImGuiKey_I,
                   ask(FileQuestionKind::kOpenFile, FileUse::kInspect, "Inspect a file", home),
                   !state.jobs[JobId::kInspect].active()});
  items.push_back({"File", "Quit", ImGuiMod_Ctrl | ImGuiKey_Q, AppAction(Quit{}), true});
}

void add_train_items(std::vector<MenuItem>& items, const State& state) {
  const JobState& job = state.jobs[JobId::kTrain];
  const bool running = job.phase == JobState::Phase::kRunning;
  const bool paused = job.phase == JobState::Phase::kPaused;
  items.push_back({"Train", "Start", ImGuiKey_F5, TrainAction(StartTraining{}), !job.active()});
  items.push_back({"Train", "Pause", ImGuiKey_F6, TrainAction(PauseTraining{}), running});
  items.push_back({"Train", "Resume", ImGuiKey_F7, TrainAction(ResumeTraining{}), paused});
  items.push_back({"Train", "Stop", ImGuiKey_F8, TrainAction(StopTraining{}), running || paused});
  items.push_back({"Train", "Load settings...", 0,
                   ask(FileQuestionKind::kOpenFile, FileUse::kLoadTrainConfig,
                       "Load training settings", state.places.configs),
                   true});
  items.push_back({"Train", "Save settings...", 0,
                   ask(FileQuestionKind::kSaveFile, FileUse::kSaveTrainConfig,
                       "Save training settings", state.places.home + "/train.json"),
                   true});
}

void add_window_items(std::vector<MenuItem>& items, const State& state) {
  for (size_t i = 0; i < kWindowCount; ++i) {
    items.push_back({"Window", window_title(kWindows[i]),
                     ImGuiMod_Ctrl | static_cast<int>(ImGuiKey_1 + static_cast<int>(i)),
                     AppAction(ShowWindow{kWindows[i]}), true, state.window_open[i]});
  }
  const bool light = state.settings.theme == "light";
  items.push_back(
      {"Window", "Light theme", 0, AppAction(SetTheme{light ? "dark" : "light"}), true, light});
  items.push_back({"Window", "Reset layout", 0, AppAction(ResetLayout{}), true});
}

std::string chord_text(int chord) { return chord == 0 ? "" : ImGui::GetKeyChordName(chord); }

}  // namespace

std::vector<MenuItem> menu_items(const State& state) {
  std::vector<MenuItem> items;
  add_file_items(items, state);
  items.push_back(
      {"Edit", "Undo", ImGuiMod_Ctrl | ImGuiKey_Z, AppAction(UndoEdit{}), state.undo.can_undo()});
  items.push_back({"Edit", "Redo", ImGuiMod_Ctrl | ImGuiMod_Shift | ImGuiKey_Z,
                   AppAction(RedoEdit{}), state.undo.can_redo()});
  add_train_items(items, state);
  add_window_items(items, state);
  return items;
}

void draw_menu_bar(const State& state, Actions& actions) {
  const std::vector<MenuItem> items = menu_items(state);
  for (const MenuItem& item : items) {
    if (item.enabled && item.chord != 0 && ImGui::Shortcut(item.chord, ImGuiInputFlags_RouteGlobal))
      actions.add(item.action);
  }
  if (!ImGui::BeginMainMenuBar()) return;
  for (size_t i = 0; i < items.size();) {
    const char* menu = items[i].menu;
    const bool open = ImGui::BeginMenu(menu);
    for (; i < items.size() && std::strcmp(items[i].menu, menu) == 0; ++i) {
      if (!open) continue;
      const MenuItem& item = items[i];
      if (ImGui::MenuItem(item.label, chord_text(item.chord).c_str(), item.checked, item.enabled))
        actions.add(item.action);
    }
    if (open) ImGui::EndMenu();
  }
  ImGui::EndMainMenuBar();
}

}  // namespace dorabooth
