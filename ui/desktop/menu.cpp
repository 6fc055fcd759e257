#include "ui/desktop/menu.h"

#include <imgui.h>
#include <imgui_internal.h>

#include <cstring>
#include <filesystem>

#include "ui/desktop/command_line.h"

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
  items.push_back({"File", "Inspect a folder...", ImGuiMod_Ctrl | ImGuiMod_Shift | ImGuiKey_I,
                   ask(FileQuestionKind::kOpenFolder, FileUse::kInspect, "Inspect a folder", home),
                   !state.jobs[JobId::kInspect].active()});
  items.push_back({"File", "Copy what was inspected as JSON", ImGuiMod_Ctrl | ImGuiKey_J,
                   AppAction(CopyText{state.inspect.json}), !state.inspect.json.empty()});
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
  items.push_back({"Train", "Continue the unfinished run", ImGuiKey_F9, TrainAction(ContinueRun{}),
                   state.project.unfinished_run && !job.active()});
  items.push_back({"Train", "Load settings...", ImGuiMod_Ctrl | ImGuiKey_L,
                   ask(FileQuestionKind::kOpenFile, FileUse::kLoadTrainConfig,
                       "Load training settings", state.places.configs),
                   !job.active()});
  items.push_back({"Train", "Save settings...", ImGuiMod_Ctrl | ImGuiKey_S,
                   ask(FileQuestionKind::kSaveFile, FileUse::kSaveTrainConfig,
                       "Save training settings", state.places.home + "/train.json"),
                   true});
  items.push_back({"Train", "Copy the command", ImGuiMod_Ctrl | ImGuiMod_Shift | ImGuiKey_C,
                   AppAction(CopyText{train_command(state.project.train)}), true});
}

Action ask_to_save_comparison(const State& state, const char* title, const char* ending) {
  std::filesystem::path file = state.project.compare.output;
  return ask(FileQuestionKind::kSaveFile, FileUse::kSaveComparison, title,
             file.replace_extension(ending).string());
}

void add_compare_drawing(std::vector<MenuItem>& items, const State& state) {
  const bool active = state.jobs[JobId::kCompare].active();
  const bool drawn = !state.compare.pictures.empty();
  items.push_back(
      {"Compare", "Draw", ImGuiMod_Ctrl | ImGuiKey_Enter, CompareAction(StartCompare{}), !active});
  items.push_back({"Compare", "Stop drawing", ImGuiMod_Ctrl | ImGuiMod_Shift | ImGuiKey_Enter,
                   CompareAction(StopCompare{}), active});
  items.push_back({"Compare", "Draw all again", ImGuiMod_Ctrl | ImGuiKey_R,
                   CompareAction(DrawAllAgain{}), !active && drawn});
  items.push_back({"Compare", "Save sheet...", ImGuiMod_Ctrl | ImGuiKey_P,
                   ask_to_save_comparison(state, "Save the sheet", ".png"), drawn});
  items.push_back({"Compare", "Save page...", ImGuiMod_Ctrl | ImGuiMod_Shift | ImGuiKey_P,
                   ask_to_save_comparison(state, "Save the page", ".html"), drawn});
}

void add_compare_columns(std::vector<MenuItem>& items, const State& state) {
  const bool free = !state.jobs[JobId::kCompare].active();
  const std::string& run = state.project.train.output_dir;
  const size_t column = state.compare.selected.column;
  items.push_back({"Compare", "Add a file as a column...", 0,
                   ask(FileQuestionKind::kOpenFile, FileUse::kAddColumn, "An adapter", run + "/"),
                   free});
  items.push_back({"Compare", "Checkpoints of a run as columns...", 0,
                   ask(FileQuestionKind::kOpenFolder, FileUse::kSweepCheckpoints,
                       "The folder of a training run", run),
                   free});
  items.push_back({"Compare", "Sweep the strength of the chosen column", 0,
                   CompareAction(SweepColumn{column - 1}), free && column > 0});
  items.push_back({"Compare", "Take the settings of a picture...", 0,
                   ask(FileQuestionKind::kOpenFile, FileUse::kTakePicture,
                       "A picture drawn by this program", state.project.compare.output),
                   free});
}

void add_compare_looking(std::vector<MenuItem>& items, const State& state) {
  const CompareState& compare = state.compare;
  const bool drawn = !compare.pictures.empty();
  items.push_back({"Compare", "To the pictures", ImGuiMod_Ctrl | ImGuiKey_G,
                   CompareAction(ShowPictures{}), true});
  items.push_back({"Compare", "The chosen picture large", 0,
                   CompareAction(ShowLarge{!compare.large}), drawn, compare.large, "Enter"});
  constexpr std::pair<LargeMode, const char*> kModes[] = {{LargeMode::kSplit, "Split"},
                                                          {LargeMode::kFlip, "Flip"},
                                                          {LargeMode::kDifference, "Difference"},
                                                          {LargeMode::kSideBySide, "Side by side"}};
  for (const auto& [mode, name] : kModes) {
    items.push_back({"Compare", name, 0, CompareAction(SetLargeMode{mode}), compare.large,
                     compare.mode == mode, "Tab"});
  }
  items.push_back({"Compare", "Favourite", 0, CompareAction(ToggleFavourite{compare.selected}),
                   drawn, false, "S"});
  items.push_back(
      {"Compare", "As large as fits", 0, CompareAction(SetView{ImageView()}), drawn, false, "F"});
  items.push_back({"Compare", "100 %", 0, CompareAction(SetView{actual_size(compare.view)}), drawn,
                   false, "1"});
}

void add_compare_items(std::vector<MenuItem>& items, const State& state) {
  add_compare_drawing(items, state);
  add_compare_columns(items, state);
  add_compare_looking(items, state);
}

void add_export_items(std::vector<MenuItem>& items, const State& state) {
  const JobState& job = state.jobs[JobId::kMerge];
  const auto& report = state.export_.report;
  items.push_back(
      {"Export", "Merge", ImGuiMod_Ctrl | ImGuiKey_M, ExportAction(StartMerge{}), !job.active()});
  items.push_back({"Export", "Stop merging", ImGuiMod_Ctrl | ImGuiMod_Shift | ImGuiKey_M,
                   ExportAction(StopMerge{}), job.active()});
  items.push_back({"Export", "Copy the path of the result", ImGuiMod_Ctrl | ImGuiKey_E,
                   AppAction(CopyText{report ? report->path : ""}), report.has_value()});
}

void add_convert_items(std::vector<MenuItem>& items, const State& state) {
  const JobState& job = state.jobs[JobId::kConvert];
  items.push_back({"Export", "Convert", ImGuiMod_Ctrl | ImGuiKey_K, ConvertAction(StartConvert{}),
                   !job.active()});
  items.push_back({"Export", "Stop converting", ImGuiMod_Ctrl | ImGuiMod_Shift | ImGuiKey_K,
                   ConvertAction(StopConvert{}), job.active()});
}

void add_analyze_items(std::vector<MenuItem>& items, const State& state) {
  const JobState& job = state.jobs[JobId::kAnalyze];
  const bool done = state.analyze.report.has_value();
  const std::string file = (std::filesystem::path(state.places.results) / "analysis").string();
  items.push_back({"Analyze", "Analyze", ImGuiMod_Ctrl | ImGuiKey_T, AnalyzeAction(StartAnalyze{}),
                   !job.active()});
  items.push_back({"Analyze", "Stop", ImGuiMod_Ctrl | ImGuiMod_Shift | ImGuiKey_T,
                   AnalyzeAction(StopAnalyze{}), job.active()});
  items.push_back(
      {"Analyze", "Save CSV...", 0,
       ask(FileQuestionKind::kSaveFile, FileUse::kSaveAnalysis, "Save the table", file + ".csv"),
       done});
  items.push_back({"Analyze", "Save JSON...", 0,
                   ask(FileQuestionKind::kSaveFile, FileUse::kSaveAnalysis, "Save the analysis",
                       file + ".json"),
                   done});
}

void add_log_items(std::vector<MenuItem>& items, const State& state) {
  items.push_back({"Log", "Copy the shown messages", ImGuiMod_Ctrl | ImGuiMod_Shift | ImGuiKey_L,
                   AppAction(CopyLog{}), !state.log.messages.empty()});
  items.push_back({"Log", "Clear", ImGuiMod_Ctrl | ImGuiMod_Shift | ImGuiKey_Delete,
                   AppAction(ClearLog{}), !state.log.messages.empty()});
  items.push_back({"Log", "Close all notices", ImGuiMod_Ctrl | ImGuiKey_D,
                   AppAction(DismissAllNotices{}), !state.log.notices.empty()});
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

std::string key_text(const MenuItem& item) {
  return item.chord == 0 ? item.key : ImGui::GetKeyChordName(item.chord);
}

// ImGui's own key for menus (Alt) reaches only those of a window, not this bar.
void take_menu_key(const char* first_menu) {
  if (!ImGui::IsKeyPressed(ImGuiKey_F10, /*repeat=*/false)) return;
  ImGuiWindow* bar = ImGui::GetCurrentWindow();
  ImGui::FocusWindow(bar);
  ImGui::SetNavID(ImGui::GetID(first_menu), ImGuiNavLayer_Menu, bar->NavRootFocusScopeId, ImRect());
  ImGui::SetNavCursorVisible(true);
}

}  // namespace

std::vector<MenuItem> menu_items(const State& state) {
  std::vector<MenuItem> items;
  add_file_items(items, state);
  items.push_back(
      {"Edit", "Undo", ImGuiMod_Ctrl | ImGuiKey_Z, AppAction(UndoEdit{}), state.undo.can_undo()});
  items.push_back({"Edit", "Redo", ImGuiMod_Ctrl | ImGuiMod_Shift | ImGuiKey_Z,
                   AppAction(RedoEdit{}), state.undo.can_redo()});
  add_train_items(items, state);
  add_compare_items(items, state);
  add_export_items(items, state);
  add_convert_items(items, state);
  add_analyze_items(items, state);
  add_log_items(items, state);
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
  take_menu_key(items.front().menu);
  for (size_t i = 0; i < items.size();) {
    const char* menu = items[i].menu;
    const bool open = ImGui::BeginMenu(menu);
    for (; i < items.size() && std::strcmp(items[i].menu, menu) == 0; ++i) {
      if (!open) continue;
      const MenuItem& item = items[i];
      if (ImGui::MenuItem(item.label, key_text(item).c_str(), item.checked, item.enabled))
        actions.add(item.action);
    }
    if (open) ImGui::EndMenu();
  }
  if (state.closing == Closing::kWaiting) {
    ImGui::TextUnformatted("  Closes when the work is done:");
    if (ImGui::SmallButton("Stay open")) actions.add(AppAction(StayOpen{}));
  }
  ImGui::EndMainMenuBar();
}

}  // namespace dorabooth
