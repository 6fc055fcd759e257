// Only the rows that are seen are drawn. ImGui's own keys move the focus, and the focused picture
// is the selected one.
#include "ui/desktop/views/dataset_grid.h"

#include <imgui.h>

#include <algorithm>

#include "src/base/error.h"
#include "ui/desktop/theme.h"
#include "ui/desktop/widgets/crop_overlay.h"
#include "ui/desktop/widgets/job_line.h"

namespace dorabooth {

namespace {

// "3 sizes: 832x1216 (5), …": how many examples of each an epoch has.
std::string buckets_text(const DatasetReport& report) {
  std::string text = concat(report.buckets.size(), " sizes: ");
  for (size_t i = 0; i < report.buckets.size(); ++i) {
    const BucketCount& bucket = report.buckets[i];
    text +=
        concat(i == 0 ? "" : ", ", bucket.width, "x", bucket.height, " (", bucket.examples, ")");
  }
  return text;
}

void draw_options(const State& state, Actions& actions) {
  const DatasetReport& report = *state.dataset.report;
  auto size = static_cast<float>(state.dataset.thumbnail_size);
  ImGui::SetNextItemWidth(8 * ImGui::GetFontSize());
  if (ImGui::SliderFloat("Size", &size, 5, 20, "%.0f")) {
    actions.add(DatasetAction(SetThumbnailSize{size}));
  }
  ImGui::SameLine();
  bool warnings_only = state.dataset.warnings_only;
  if (ImGui::Checkbox("Only with warnings", &warnings_only))
    actions.add(DatasetAction(ShowWarningsOnly{warnings_only}));
  ImGui::SameLine();
  ImGui::TextDisabled("%zu of %zu", pictures_with_warnings(report), report.pictures.size());
  if (state.jobs[JobId::kDataset].active()) draw_job_line(state.jobs[JobId::kDataset]);
  if (report.buckets.size() > 1) ImGui::TextWrapped("%s", buckets_text(report).c_str());
  for (const std::string& note : report.notes) ImGui::TextWrapped("Note: %s", note.c_str());
}

// Cut off at `width`, with the whole in a tooltip where it does not fit.
void draw_line(const std::string& text, float width) {
  const ImVec2 at = ImGui::GetCursorScreenPos();
  ImGui::PushClipRect(at, {at.x + width, at.y + ImGui::GetTextLineHeight()}, true);
  ImGui::TextUnformatted(text.c_str());
  ImGui::PopClipRect();
}

std::string faults_line(const SurveyedPicture& picture) {
  if (!picture.used) return "not used";
  std::string line;
  for (const PictureWarning& warning : picture.warnings)
    line += (line.empty() ? "! " : ", ") + std::string(fault_word(warning.fault));
  return line;
}

class Grid {
 public:
  Grid(const State& state, Actions& actions, Widgets& widgets)
      : dataset_(state.dataset), actions_(actions), widgets_(widgets) {
    side_ = static_cast<float>(dataset_.thumbnail_size) * ImGui::GetFontSize();
  }

  void draw() {
    const auto shown = shown_pictures(dataset_);
    if (shown.empty()) {
      ImGui::TextWrapped("No picture has a warning. Untick the filter to see all of them.");
      return;
    }
    const ImVec2 space = ImGui::GetStyle().ItemSpacing;
    const float width = ImGui::GetContentRegionAvail().x;
    const int columns = std::max(1, static_cast<int>((width + space.x) / (side_ + space.x)));
    const int count = static_cast<int>(shown.size());
    ImGuiListClipper clipper;
    clipper.Begin((count + columns - 1) / columns,
                  side_ + 2 * ImGui::GetTextLineHeight() + 3 * space.y);
    while (clipper.Step()) {
      for (int row = clipper.DisplayStart; row < clipper.DisplayEnd; ++row) {
        const int first = row * columns;
        for (int i = first; i < std::min(first + columns, count); ++i) {
          if (i > first) ImGui::SameLine();
          draw_cell(*shown[static_cast<size_t>(i)]);
        }
      }
    }
  }

 private:
  void draw_cell(const SurveyedPicture& picture) {
    ImGui::BeginGroup();
    const ImVec2 at = ImGui::GetCursorScreenPos();
    ImGui::InvisibleButton(("##" + picture.name).c_str(), {side_, side_},
                           ImGuiButtonFlags_EnableNav);
    if (ImGui::IsItemFocused() && picture.path != dataset_.selected)
      actions_.add(DatasetAction(SelectPicture{picture.path}));
    draw_thumbnail(picture, at);
    draw_line(picture.name, side_);
    ImGui::PushStyleColor(ImGuiCol_Text, warning_text_color());
    draw_line(faults_line(picture), side_);
    ImGui::PopStyleColor();
    ImGui::EndGroup();
  }

  void draw_thumbnail(const SurveyedPicture& picture, ImVec2 at) {
    ImDrawList& list = *ImGui::GetWindowDrawList();
    const ImVec2 end{at.x + side_, at.y + side_};
    list.AddRectFilled(at, end, ImGui::GetColorU32(ImGuiCol_FrameBg));
    const auto found = dataset_.thumbnails.find(picture.path);
    const auto image = found == dataset_.thumbnails.end() ? nullptr : found->second;
    const Texture texture =
        image ? widgets_.textures.show("dataset/" + picture.path, image) : Texture();
    if (texture.id != 0 && picture.width > 0) {
      const PictureArea area = fit_picture(
          {static_cast<int>(picture.width), static_cast<int>(picture.height)}, at, {side_, side_});
      list.AddImage(texture.id, area.min, area.max());
      draw_crop(list, area, shown_crop(picture), picture.drawn.has_value());
    }
    const bool selected = picture.path == dataset_.selected;
    if (selected) {
      list.AddRect(at, end, ImGui::GetColorU32(ImGuiCol_NavCursor), 0, 0,
                   0.2F * ImGui::GetFontSize());
    }
  }

  CropRectangle shown_crop(const SurveyedPicture& picture) const {
    const bool dragged = picture.path == dataset_.selected && dataset_.dragged_crop;
    return dragged ? *dataset_.dragged_crop : picture.crop;
  }

  const DatasetState& dataset_;
  Actions& actions_;
  Widgets& widgets_;
  float side_ = 0;
};

}  // namespace

void draw_dataset_grid(const State& state, Actions& actions, Widgets& widgets, float height) {
  const float top = ImGui::GetCursorPosY();
  draw_options(state, actions);
  const float left = height - (ImGui::GetCursorPosY() - top);
  if (ImGui::BeginChild("Pictures", {0, std::max(left, 6 * ImGui::GetFontSize())},
                        ImGuiChildFlags_NavFlattened))
    Grid(state, actions, widgets).draw();
  ImGui::EndChild();
}

}  // namespace dorabooth
