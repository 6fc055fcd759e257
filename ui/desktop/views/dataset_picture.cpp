// The picture takes what height the texts leave.
#include "ui/desktop/views/dataset_picture.h"

#include <imgui.h>
#include <imgui_stdlib.h>

#include <algorithm>
#include <cmath>

#include "ui/desktop/theme.h"
#include "ui/desktop/widgets/crop_overlay.h"
#include "ui/desktop/widgets/missing_glyphs.h"

namespace dorabooth {

namespace {

// Of the size that the picture is trained at.
double aspect_of(const SurveyedPicture& picture) {
  if (picture.bucket_width < 1 || picture.bucket_height < 1) return 1.0;
  return static_cast<double>(picture.bucket_width) / static_cast<double>(picture.bucket_height);
}

PictureSize size_of(const SurveyedPicture& picture) {
  return {static_cast<int>(picture.width), static_cast<int>(picture.height)};
}

CropRectangle crop_of(const State& state, const SurveyedPicture& picture) {
  return state.dataset.dragged_crop.value_or(picture.crop);
}

void take(const CropEdit& edit, Actions& actions) {
  if (edit.crop) actions.add(DatasetAction(DragCrop{*edit.crop}));
  if (edit.ended) actions.add(DatasetAction(EndCrop{}));
}

void draw_image(const State& state, const SurveyedPicture& picture, Actions& actions,
                Widgets& widgets, float height) {
  const DatasetState& dataset = state.dataset;
  const ImVec2 at = ImGui::GetCursorScreenPos();
  const ImVec2 room{ImGui::GetContentRegionAvail().x, height};
  const PictureArea area = fit_picture(size_of(picture), at, room);
  const auto thumbnail = dataset.thumbnails.find(picture.path);
  // The small one until the large one is there.
  const auto image = dataset.enlarged_path == picture.path   ? dataset.enlarged
                     : thumbnail != dataset.thumbnails.end() ? thumbnail->second
                                                             : nullptr;
  ImDrawList& list = *ImGui::GetWindowDrawList();
  if (image) {
    const Texture texture = widgets.textures.show("dataset picture/" + picture.path, image);
    if (texture.id != 0) list.AddImage(texture.id, area.min, area.max());
  }
  const CropRectangle crop = crop_of(state, picture);
  draw_crop(list, area, crop, true);
  take(drag_crop(area, crop, size_of(picture), aspect_of(picture)), actions);
  ImGui::SetCursorScreenPos(at);
  ImGui::Dummy(room);
}

// The crop in numbers, for the keyboard and for exact work.
void draw_numbers(const State& state, const SurveyedPicture& picture, Actions& actions) {
  const CropRectangle crop = crop_of(state, picture);
  CropEdit edit;
  int left = static_cast<int>(crop.left);
  int top = static_cast<int>(crop.top);
  int width = static_cast<int>(crop.width);
  const PictureSize size = size_of(picture);
  const auto number = [&](const char* label, int& value, int low, int high) {
    ImGui::SetNextItemWidth(4 * ImGui::GetFontSize());
    const bool changed = ImGui::DragInt(label, &value, 1, low, high);
    edit.ended = edit.ended || ImGui::IsItemDeactivatedAfterEdit();
    ImGui::SameLine();
    return changed;
  };
  if (number("Left", left, 0, size.width)) edit.crop = moved_crop(crop, left, crop.top, size);
  if (number("Top", top, 0, size.height)) edit.crop = moved_crop(crop, crop.left, top, size);
  if (number("Width", width, 1, size.width)) {
    edit.crop = resized_crop(crop, CropCorner::kRightBottom, static_cast<double>(crop.left + width),
                             static_cast<double>(crop.top), aspect_of(picture), size);
  }
  take(edit, actions);
  ImGui::BeginDisabled(!picture.drawn);
  if (ImGui::Button("Reset crop")) actions.add(DatasetAction(ResetCrop{}));
  ImGui::SetItemTooltip("Back to the crop of the training settings (Delete)");
  ImGui::EndDisabled();
}

const char* crop_text(const State& state, const SurveyedPicture& picture) {
  if (picture.drawn || state.dataset.dragged_crop) return "drawn by hand";
  if (picture.area_lost == 0.0) return "all of it";
  return state.dataset.request.center_crop ? "the centre" : "a random part, the same in every run";
}

void draw_facts(const State& state, const SurveyedPicture& picture) {
  const CropRectangle crop = crop_of(state, picture);
  const auto integer = [](int64_t value) { return static_cast<long long>(value); };
  ImGui::TextWrapped("%lldx%lld pixels, scaled to %lldx%lld. Used: %lldx%lld at %lld, %lld (%s).",
                     integer(picture.width), integer(picture.height), integer(picture.scaled_width),
                     integer(picture.scaled_height), integer(crop.width), integer(crop.height),
                     integer(crop.left), integer(crop.top), crop_text(state, picture));
  ImGui::TextWrapped("Trained at %lldx%lld; %d %% of the area is cut off.",
                     integer(picture.bucket_width), integer(picture.bucket_height),
                     static_cast<int>(std::lround(100 * picture.area_lost)));
}

void draw_warnings(const SurveyedPicture& picture) {
  if (!picture.used)
    ImGui::TextWrapped("Not used: max_train_samples takes only the first pictures.");
  ImGui::PushStyleColor(ImGuiCol_Text, warning_text_color());
  for (const PictureWarning& warning : picture.warnings)
    ImGui::TextWrapped("! %s: %s", fault_word(warning.fault), warning.text.c_str());
  ImGui::PopStyleColor();
}

std::string caption_text(const SurveyedPicture& picture) {
  if (picture.caption_source == "table") return "Caption (in the folder's metadata table)";
  if (picture.caption_source == "sidecar") return "Caption (in a file beside the picture)";
  return "Caption (none of its own)";
}

void draw_caption(const State& state, const SurveyedPicture& picture, Actions& actions) {
  ImGui::TextUnformatted(caption_text(picture).c_str());
  std::string text = state.dataset.typed_caption.value_or(picture.own_caption);
  const ImVec2 size{-1, 2.6F * ImGui::GetTextLineHeightWithSpacing()};
  ImGui::PushID(picture.path.c_str());
  if (ImGui::InputTextMultiline(
          "##caption", &text, size,
          ImGuiInputTextFlags_WordWrap | ImGuiInputTextFlags_CtrlEnterForNewLine))
    actions.add(DatasetAction(TypeCaption{text}));
  if (ImGui::IsItemDeactivatedAfterEdit()) actions.add(DatasetAction(EndCaption{}));
  ImGui::PopID();
  draw_missing_glyphs_note(text);
  if (!picture.caption.empty() && picture.caption != picture.own_caption)
    ImGui::TextWrapped("Trained with: %s", picture.caption.c_str());
}

void take_keys(const SurveyedPicture& picture, Actions& actions) {
  const bool typing = ImGui::IsAnyItemActive();
  if (picture.drawn && !typing && ImGui::IsWindowFocused(ImGuiFocusedFlags_RootAndChildWindows) &&
      ImGui::IsKeyPressed(ImGuiKey_Delete, /*repeat=*/false))
    actions.add(DatasetAction(ResetCrop{}));
}

}  // namespace

void draw_dataset_picture(const State& state, Actions& actions, Widgets& widgets) {
  const SurveyedPicture* picture = find_picture(state.dataset, state.dataset.selected);
  if (!picture) {
    ImGui::TextWrapped("Select a picture to see its crop and caption.");
    return;
  }
  take_keys(*picture, actions);
  ImGui::TextWrapped("%s", picture->name.c_str());
  draw_warnings(*picture);
  if (picture->width > 0) {
    draw_facts(state, *picture);
    const float below =
        2 * ImGui::GetFrameHeightWithSpacing() + 6 * ImGui::GetTextLineHeightWithSpacing();
    const float height =
        std::max(10 * ImGui::GetFontSize(), ImGui::GetContentRegionAvail().y - below);
    draw_image(state, *picture, actions, widgets, height);
    draw_numbers(state, *picture, actions);
  }
  draw_caption(state, *picture, actions);
}

}  // namespace dorabooth
