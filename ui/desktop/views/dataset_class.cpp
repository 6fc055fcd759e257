// They are looked at and not edited: no crop, no caption.
#include "ui/desktop/views/dataset_class.h"

#include <imgui.h>

#include <algorithm>
#include <filesystem>

#include "ui/desktop/widgets/crop_overlay.h"

namespace dorabooth {

namespace {

void ask_for_folder(const State& state, const std::string& start, Actions& actions) {
  FileQuestion question;
  question.kind = FileQuestionKind::kOpenFolder;
  question.form = FormId::kTrain;
  question.field = "class_data_dir";
  question.title = "Choose a folder of class pictures";
  question.start = start.empty() ? state.places.home : start;
  actions.add(FileAction(AskForFile{question}));
}

void draw_thumbnail(const State& state, const std::string& path, float side, Widgets& widgets) {
  const ImVec2 at = ImGui::GetCursorScreenPos();
  const std::string name = std::filesystem::path(path).filename().string();
  ImGui::InvisibleButton(("##" + name).c_str(), {side, side}, ImGuiButtonFlags_EnableNav);
  ImGui::SetItemTooltip("%s", name.c_str());
  ImDrawList& list = *ImGui::GetWindowDrawList();
  list.AddRectFilled(at, {at.x + side, at.y + side}, ImGui::GetColorU32(ImGuiCol_FrameBg));
  const auto found = state.dataset.thumbnails.find(path);
  if (found == state.dataset.thumbnails.end()) return;
  const Texture texture = widgets.textures.show("dataset class/" + path, found->second);
  if (texture.id == 0) return;
  const PictureArea area = fit_picture({texture.width, texture.height}, at, {side, side});
  list.AddImage(texture.id, area.min, area.max());
}

// Only the rows that are seen.
void draw_thumbnails(const State& state, Widgets& widgets) {
  const std::vector<std::string>& paths = state.dataset.report->class_pictures;
  const float side = static_cast<float>(state.dataset.thumbnail_size) * ImGui::GetFontSize();
  const ImVec2 space = ImGui::GetStyle().ItemSpacing;
  const float width = ImGui::GetContentRegionAvail().x;
  const int columns = std::max(1, static_cast<int>((width + space.x) / (side + space.x)));
  const int count = static_cast<int>(paths.size());
  ImGuiListClipper clipper;
  clipper.Begin((count + columns - 1) / columns, side + space.y);
  while (clipper.Step()) {
    for (int row = clipper.DisplayStart; row < clipper.DisplayEnd; ++row) {
      const int first = row * columns;
      for (int i = first; i < std::min(first + columns, count); ++i) {
        if (i > first) ImGui::SameLine();
        draw_thumbnail(state, paths[static_cast<size_t>(i)], side, widgets);
      }
    }
  }
}

}  // namespace

void draw_dataset_class(const State& state, Actions& actions, Widgets& widgets) {
  const TrainConfig& train = state.project.train;
  bool on = train.with_prior_preservation;
  if (ImGui::Checkbox("Train on class pictures too", &on)) {
    actions.add(FormAction(SetField{FormId::kTrain, "with_prior_preservation", on}));
    actions.add(FormAction(EndEdit{}));
  }
  if (!on) {
    ImGui::TextWrapped(
        "They keep the base's idea of the class (of a dog, say) while it learns this one.");
    return;
  }
  ImGui::SameLine();
  const std::string folder = train.class_data_dir.value_or("");
  if (ImGui::Button("Choose their folder...")) ask_for_folder(state, folder, actions);
  if (folder.empty()) {
    ImGui::TextWrapped("Choose a folder for them; it may be empty.");
    return;
  }
  const DatasetReport& report = *state.dataset.report;
  const auto present = static_cast<long long>(report.class_pictures.size());
  const auto needed = static_cast<long long>(report.class_pictures_needed);
  ImGui::TextWrapped("%lld of %lld are in %s. %s", present, needed, folder.c_str(),
                     present < needed ? "The missing ones are drawn before training starts."
                                      : "None has to be drawn.");
  if (ImGui::BeginChild("Class", {0, 0}, ImGuiChildFlags_NavFlattened))
    draw_thumbnails(state, widgets);
  ImGui::EndChild();
}

}  // namespace dorabooth
