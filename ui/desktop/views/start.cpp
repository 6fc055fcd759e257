#include "ui/desktop/views/start.h"

#include <imgui.h>

#include <filesystem>

namespace dorabooth {

namespace {

constexpr const char* kBase = "pretrained_model_name_or_path";

void ask_for_path(FileQuestionKind kind, const char* field, const char* title,
                  const std::string& start, Actions& actions) {
  FileQuestion question;
  question.kind = kind;
  question.field = field;
  question.title = title;
  question.start = start;
  actions.add(FileAction(AskForFile{question}));
}

void draw_base(const State& state, Actions& actions) {
  const std::string& base = state.project.train.pretrained_model_name_or_path;
  ImGui::SeparatorText("1. The base");
  ImGui::TextWrapped("%s", base.empty() ? "A Stable Diffusion XL model: a diffusers folder, or one "
                                          ".safetensors file."
                                        : base.c_str());
  if (ImGui::Button("Choose a base..."))
    ask_for_path(FileQuestionKind::kOpenFolder, kBase, "Choose a base's folder", state.places.home,
                 actions);
  ImGui::SameLine();
  if (ImGui::Button("Choose a single file..."))
    ask_for_path(FileQuestionKind::kOpenFile, kBase, "Choose a base's file",
                 state.places.home + "/", actions);
  for (const std::string& recent : state.settings.recent_bases) {
    if (ImGui::TextLink((recent + "##base").c_str())) actions.add(StartAction(ChooseBase{recent}));
  }
}

void draw_pictures(const State& state, Actions& actions) {
  const std::string& folder = state.project.train.instance_data_dir;
  ImGui::SeparatorText("2. The pictures");
  ImGui::TextWrapped("%s", folder.empty()
                               ? "Drop a folder of pictures on this window, or choose one."
                               : folder.c_str());
  if (ImGui::Button("Choose a folder..."))
    ask_for_path(FileQuestionKind::kOpenFolder, "instance_data_dir", "Choose a folder of pictures",
                 state.places.home, actions);
  for (const std::string& recent : state.settings.recent_datasets) {
    if (ImGui::TextLink((recent + "##dataset").c_str()))
      actions.add(StartAction(ChooseDataset{recent}));
  }
}

void draw_next(const State& state, Actions& actions) {
  const TrainConfig& train = state.project.train;
  const bool ready =
      !train.pretrained_model_name_or_path.empty() && !train.instance_data_dir.empty();
  ImGui::SeparatorText("3. Train");
  ImGui::TextWrapped(ready ? "Everything is there: look at the settings and start."
                           : "Choose a base and pictures first.");
  ImGui::BeginDisabled(!ready);
  if (ImGui::Button("To the training")) actions.add(AppAction(ShowWindow{WindowId::kTrain}));
  ImGui::EndDisabled();
}

}  // namespace

void draw_start(const State& state, Actions& actions, Widgets&) {
  if (!state.places.assets.empty()) {
    ImGui::SeparatorText("New here?");
    ImGui::TextWrapped(
        "Try it with the small base and the 64 icons that come with the program. It takes a few "
        "minutes without a graphics card.");
    if (ImGui::Button("Try the bundled base and pictures")) actions.add(StartAction(TryBundled{}));
  }
  draw_base(state, actions);
  draw_pictures(state, actions);
  draw_next(state, actions);
}

}  // namespace dorabooth
