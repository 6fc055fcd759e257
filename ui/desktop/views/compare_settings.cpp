#include "ui/desktop/views/compare_settings.h"

#include <imgui.h>
#include <imgui_stdlib.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "src/base/error.h"
#include "ui/desktop/theme.h"
#include "ui/desktop/widgets/form.h"
#include "ui/desktop/widgets/missing_glyphs.h"

namespace dorabooth {

namespace {

// Drawn here, or done by buttons.
const std::vector<std::string> kElsewhere = {"pretrained_model_name_or_path",
                                             "prompt",
                                             "prompts_file",
                                             "seed",
                                             "column",
                                             "sweep_strength",
                                             "sweep_checkpoints",
                                             "reuse",
                                             "only_column"};

void ask_for_file(FileQuestionKind kind, FileUse use, const char* title, const std::string& start,
                  Actions& actions) {
  FileQuestion question;
  question.kind = kind;
  question.use = use;
  question.title = title;
  question.start = start;
  actions.add(FileAction(AskForFile{question}));
}

std::string joined_lines(const std::vector<std::string>& lines) {
  std::string text;
  for (size_t i = 0; i < lines.size(); ++i) text += (i > 0 ? "\n" : "") + lines[i];
  return text;
}

nlohmann::json lines_of(const std::string& text) {
  nlohmann::json lines = nlohmann::json::array();
  for (size_t from = 0; !text.empty() && from <= text.size();) {
    const size_t end = std::min(text.find('\n', from), text.size());
    lines.push_back(text.substr(from, end - from));
    from = end + 1;
  }
  return lines;
}

void draw_prompts(const State& state, Actions& actions) {
  ImGui::SeparatorText("Prompts, one a line");
  std::string text = joined_lines(state.project.compare.prompt);
  if (ImGui::InputTextMultiline("##prompts", &text, {-1, 5 * ImGui::GetTextLineHeight()},
                                ImGuiInputTextFlags_WordWrap))
    actions.add(FormAction(SetField{FormId::kCompare, "prompt", lines_of(text)}));
  if (ImGui::IsItemDeactivatedAfterEdit()) actions.add(FormAction(EndEdit{}));
  // The field has this key for itself, to be left by it.
  if (ImGui::IsItemDeactivated() && ImGui::IsKeyChordPressed(ImGuiMod_Ctrl | ImGuiKey_Enter))
    actions.add(CompareAction(StartCompare{}));
  draw_missing_glyphs_note(text);
  if (ImGui::Button("Load prompts..."))
    ask_for_file(FileQuestionKind::kOpenFile, FileUse::kLoadPrompts,
                 "A text file, one prompt a line",
                 state.places.assets + "/pictures/compare_prompts.txt", actions);
  draw_form_row(state, FormId::kCompare, "seed", actions);
}

void draw_strength(const AdapterArgument& adapter, size_t index, Actions& actions) {
  auto strength = static_cast<float>(adapter.strength);
  ImGui::SetNextItemWidth(-9.5F * ImGui::GetFontSize());
  const std::string id = "##strength_" + std::to_string(index);
  if (ImGui::SliderFloat(id.c_str(), &strength, 0, 2, "strength %.2f")) {
    const double rounded = std::round(static_cast<double>(strength) * 100) / 100;
    actions.add(CompareAction(SetColumnStrength{index, rounded}));
  }
  if (ImGui::IsItemDeactivatedAfterEdit()) actions.add(FormAction(EndEdit{}));
}

void draw_column(const std::string& text, size_t index, bool fixed, Actions& actions) {
  const std::string number = std::to_string(index);
  AdapterArgument adapter;
  try {
    adapter = parse_named_adapter(text);
  } catch (const UsageError& error) {
    ImGui::TextWrapped("%s", error.what());
  }
  ImGui::BeginDisabled(fixed);
  ImGui::SetNextItemWidth(-1);
  if (ImGui::InputText(("##name_" + number).c_str(), &adapter.name))
    actions.add(CompareAction(RenameColumn{index, adapter.name}));
  if (ImGui::IsItemDeactivatedAfterEdit()) actions.add(FormAction(EndEdit{}));
  if (ImGui::IsItemHovered(ImGuiHoveredFlags_ForTooltip))
    ImGui::SetTooltip("The column's name. Its file:\n%s", adapter.path.c_str());
  ImGui::EndDisabled();
  draw_strength(adapter, index, actions);
  ImGui::BeginDisabled(fixed);
  ImGui::SameLine();
  if (ImGui::Button(("Sweep##" + number).c_str())) actions.add(CompareAction(SweepColumn{index}));
  ImGui::SetItemTooltip("Columns of this file at each of the strengths below, in its place");
  ImGui::SameLine();
  if (ImGui::Button(("Remove##" + number).c_str())) actions.add(CompareAction(RemoveColumn{index}));
  ImGui::EndDisabled();
}

// What the last training brought and no column shows.
void draw_offers(const State& state, Actions& actions) {
  for (const std::string& path : state.project.trained_adapters) {
    const bool shown = std::ranges::any_of(
        state.project.compare.column,
        [&](const std::string& column) { return column.find(path) != std::string::npos; });
    if (shown) continue;
    if (ImGui::Button(("Add##" + path).c_str())) actions.add(CompareAction(AddColumn{path}));
    ImGui::SameLine();
    ImGui::AlignTextToFramePadding();
    ImGui::TextUnformatted((parse_adapter_argument(path).name + ", just trained").c_str());
    ImGui::SetItemTooltip("%s", path.c_str());
  }
}

void draw_columns(const State& state, bool fixed, Actions& actions) {
  ImGui::SeparatorText("Columns beside the base");
  const std::vector<std::string>& columns = state.project.compare.column;
  if (columns.empty())
    ImGui::TextWrapped("Add the file of a LoRA or DoRA; the base always stands first.");
  for (size_t i = 0; i < columns.size(); ++i) draw_column(columns[i], i, fixed, actions);
  ImGui::BeginDisabled(fixed);
  draw_offers(state, actions);
  const std::string& run = state.project.train.output_dir;
  if (ImGui::Button("Add a file..."))
    ask_for_file(FileQuestionKind::kOpenFile, FileUse::kAddColumn, "An adapter", run + "/",
                 actions);
  ImGui::SameLine();
  if (ImGui::Button("Checkpoints of a run..."))
    ask_for_file(FileQuestionKind::kOpenFolder, FileUse::kSweepCheckpoints,
                 "The folder of a training run", run, actions);
  ImGui::SetItemTooltip("All checkpoints of a training run become the columns");
  ImGui::EndDisabled();
  if (columns.empty()) return;
  std::string sweep = state.compare.sweep;
  ImGui::AlignTextToFramePadding();
  ImGui::TextUnformatted("Strengths of a sweep");
  ImGui::SameLine();
  ImGui::SetNextItemWidth(-1);
  if (ImGui::InputText("##sweep", &sweep)) actions.add(CompareAction(SetSweep{sweep}));
  bool live = state.compare.live;
  if (ImGui::Checkbox("Draw again while a strength moves", &live))
    actions.add(CompareAction(SetLive{live}));
}

void draw_favourites(const State& state, Actions& actions) {
  const std::vector<std::string>& favourites = state.project.favourites;
  const std::string title = "Favourites (" + std::to_string(favourites.size()) + ")###Favourites";
  if (!ImGui::CollapsingHeader(title.c_str())) return;
  if (favourites.empty()) ImGui::TextWrapped("Press S on a picture to keep it here.");
  for (const std::string& path : favourites) {
    if (ImGui::Button(("Open##" + path).c_str())) actions.add(CompareAction(TakePicture{path}));
    ImGui::SetItemTooltip("Take the picture's prompt, seed and other settings");
    ImGui::SameLine();
    if (ImGui::Button(("Forget##" + path).c_str()))
      actions.add(CompareAction(ForgetFavourite{path}));
    ImGui::SameLine();
    ImGui::TextUnformatted(std::filesystem::path(path).filename().c_str());
    ImGui::SetItemTooltip("%s", path.c_str());
  }
}

}  // namespace

void draw_compare_settings(const State& state, Actions& actions) {
  // A strength may change while pictures are drawn: it draws them again.
  const bool fixed = state.jobs[JobId::kCompare].active();
  ImGui::BeginDisabled(fixed);
  draw_prompts(state, actions);
  ImGui::EndDisabled();
  draw_columns(state, fixed, actions);
  ImGui::BeginDisabled(fixed);
  ImGui::SeparatorText("Base");
  draw_form_row(state, FormId::kCompare, "pretrained_model_name_or_path", actions);
  if (ImGui::Button("Take the settings of a picture..."))
    ask_for_file(FileQuestionKind::kOpenFile, FileUse::kTakePicture,
                 "A picture drawn by this program", state.project.compare.output, actions);
  ImGui::SetItemTooltip("Or drop the picture on this window");
  draw_favourites(state, actions);
  if (ImGui::CollapsingHeader("More settings", ImGuiTreeNodeFlags_DefaultOpen))
    draw_form(state, FormId::kCompare, actions, kElsewhere);
  ImGui::EndDisabled();
}

}  // namespace dorabooth
