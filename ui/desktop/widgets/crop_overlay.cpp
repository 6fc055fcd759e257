// The middle and the corners are invisible buttons; where the middle was grasped is kept in ImGui's
// storage while it is held.
#include "ui/desktop/widgets/crop_overlay.h"

#include <algorithm>
#include <cmath>

namespace dorabooth {

namespace {

ImVec2 on_screen(const PictureArea& area, double x, double y) {
  return {area.min.x + static_cast<float>(x) * area.scale,
          area.min.y + static_cast<float>(y) * area.scale};
}

struct Handle {
  CropCorner corner;
  const char* id;
  bool right;
  bool bottom;
};
constexpr Handle kHandles[] = {
    {CropCorner::kLeftTop, "##left_top", false, false},
    {CropCorner::kRightTop, "##right_top", true, false},
    {CropCorner::kLeftBottom, "##left_bottom", false, true},
    {CropCorner::kRightBottom, "##right_bottom", true, true},
};

ImVec2 corner_on_screen(const PictureArea& area, const CropRectangle& crop, const Handle& handle) {
  return on_screen(area, static_cast<double>(crop.left + (handle.right ? crop.width : 0)),
                   static_cast<double>(crop.top + (handle.bottom ? crop.height : 0)));
}

void drag_middle(const PictureArea& area, const CropRectangle& crop, PictureSize picture,
                 CropEdit& edit) {
  const ImVec2 min = on_screen(area, static_cast<double>(crop.left), static_cast<double>(crop.top));
  const ImVec2 size{std::max(1.0F, static_cast<float>(crop.width) * area.scale),
                    std::max(1.0F, static_cast<float>(crop.height) * area.scale)};
  ImGui::SetCursorScreenPos(min);
  ImGui::SetNextItemAllowOverlap();
  ImGui::InvisibleButton("##crop", size);
  if (ImGui::IsItemHovered()) ImGui::SetMouseCursor(ImGuiMouseCursor_ResizeAll);
  const ImVec2 mouse = ImGui::GetMousePos();
  ImGuiStorage& storage = *ImGui::GetStateStorage();
  const ImGuiID x = ImGui::GetID("##grasp_x");
  const ImGuiID y = ImGui::GetID("##grasp_y");
  if (ImGui::IsItemActivated()) {
    storage.SetFloat(x, mouse.x - min.x);
    storage.SetFloat(y, mouse.y - min.y);
  }
  if (ImGui::IsItemActive() && ImGui::IsMouseDragging(0)) {
    const float left = (mouse.x - storage.GetFloat(x) - area.min.x) / area.scale;
    const float top = (mouse.y - storage.GetFloat(y) - area.min.y) / area.scale;
    edit.crop = moved_crop(crop, std::lround(left), std::lround(top), picture);
  }
  edit.ended = edit.ended || ImGui::IsItemDeactivated();
}

void drag_corner(const PictureArea& area, const CropRectangle& crop, PictureSize picture,
                 double aspect, const Handle& handle, CropEdit& edit) {
  const float radius = 0.6F * ImGui::GetFontSize();
  const ImVec2 at = corner_on_screen(area, crop, handle);
  ImGui::SetCursorScreenPos({at.x - radius, at.y - radius});
  ImGui::InvisibleButton(handle.id, {2 * radius, 2 * radius});
  if (ImGui::IsItemHovered() || ImGui::IsItemActive()) {
    ImGui::SetMouseCursor(handle.right == handle.bottom ? ImGuiMouseCursor_ResizeNWSE
                                                        : ImGuiMouseCursor_ResizeNESW);
  }
  if (ImGui::IsItemActive() && ImGui::IsMouseDragging(0)) {
    const ImVec2 mouse = ImGui::GetMousePos();
    edit.crop = resized_crop(crop, handle.corner, (mouse.x - area.min.x) / area.scale,
                             (mouse.y - area.min.y) / area.scale, aspect, picture);
  }
  edit.ended = edit.ended || ImGui::IsItemDeactivated();
}

}  // namespace

PictureArea fit_picture(PictureSize picture, ImVec2 at, ImVec2 room) {
  const auto width = static_cast<float>(std::max(1, picture.width));
  const auto height = static_cast<float>(std::max(1, picture.height));
  PictureArea area;
  area.scale = std::min(room.x / width, room.y / height);
  area.size = {width * area.scale, height * area.scale};
  area.min = {at.x + 0.5F * (room.x - area.size.x), at.y + 0.5F * (room.y - area.size.y)};
  return area;
}

void draw_crop(ImDrawList& list, const PictureArea& area, const CropRectangle& crop, bool drawn) {
  if (crop.width == 0) return;
  // On whole pixels, where the shades meet without a seam.
  const auto whole = [](ImVec2 at) { return ImVec2(std::round(at.x), std::round(at.y)); };
  const ImVec2 min =
      whole(on_screen(area, static_cast<double>(crop.left), static_cast<double>(crop.top)));
  const ImVec2 max = whole(on_screen(area, static_cast<double>(crop.left + crop.width),
                                     static_cast<double>(crop.top + crop.height)));
  const ImVec2 end = area.max();
  constexpr ImU32 kShade = IM_COL32(0, 0, 0, 150);
  list.AddRectFilled(area.min, {end.x, min.y}, kShade);
  list.AddRectFilled({area.min.x, max.y}, end, kShade);
  list.AddRectFilled({area.min.x, min.y}, {min.x, max.y}, kShade);
  list.AddRectFilled({max.x, min.y}, {end.x, max.y}, kShade);
  // White in black: seen on every picture.
  const float thin = std::max(1.0F, 0.07F * ImGui::GetFontSize());
  list.AddRect(min, max, IM_COL32(0, 0, 0, 255), 0, 0, 3 * thin);
  list.AddRect(min, max, IM_COL32(255, 255, 255, 255), 0, 0, thin);
  if (!drawn) return;
  const float mark = 0.25F * ImGui::GetFontSize();
  for (const Handle& handle : kHandles) {
    const ImVec2 at = corner_on_screen(area, crop, handle);
    list.AddRectFilled({at.x - mark, at.y - mark}, {at.x + mark, at.y + mark},
                       IM_COL32(255, 255, 255, 255));
    list.AddRect({at.x - mark, at.y - mark}, {at.x + mark, at.y + mark}, IM_COL32(0, 0, 0, 255));
  }
}

CropEdit drag_crop(const PictureArea& area, const CropRectangle& crop, PictureSize picture,
                   double aspect) {
  CropEdit edit;
  drag_middle(area, crop, picture, edit);
  for (const Handle& handle : kHandles) drag_corner(area, crop, picture, aspect, handle, edit);
  return edit;
}

}  // namespace dorabooth
