#include "ui/desktop/widgets/picture.h"

#include <algorithm>
#include <cmath>

#include "src/base/error.h"

namespace dorabooth {

namespace {

constexpr double kWheelStep = 1.2;

// The null backend has no samplers.
void set_sampler(ImDrawList& list, ImDrawCallback callback) {
  if (callback) list.AddCallback(callback, nullptr);
}

// How often the picture is halved before the sampler shrinks it by less than two.
int levels_for(double zoom) {
  return zoom >= 0.5 || zoom <= 0 ? 0 : std::min(8, static_cast<int>(std::floor(-std::log2(zoom))));
}

}  // namespace

ViewArea view_area(ImVec2 top_left, ImVec2 size) {
  return {top_left.x, top_left.y, size.x, size.y, ImGui::GetIO().DisplayFramebufferScale.x};
}

PictureSides sides_of(const ShownPicture& picture) {
  return picture.image ? PictureSides{picture.image->width, picture.image->height} : PictureSides{};
}

void draw_picture(const ShownPicture& picture, const ViewArea& area, const ImageView& view,
                  Widgets& widgets, ClipRange clip) {
  const PictureSides sides = sides_of(picture);
  if (sides.width == 0) return;
  const double zoom = shown_zoom(view, area, sides);
  const int levels = levels_for(zoom);
  const Texture texture =
      widgets.textures.show(picture.cell, widgets.derived.reduced(picture.image, levels));
  if (texture.id == 0) return;
  const Placement placed = place_picture(view, area, sides);
  const ImVec2 from = {std::max(area.left, clip.left), area.top};
  const ImVec2 to = {std::min(area.left + area.width, clip.right), area.top + area.height};
  if (from.x >= to.x) return;
  ImDrawList& list = *ImGui::GetWindowDrawList();
  const ImGuiPlatformIO& platform = ImGui::GetPlatformIO();
  list.PushClipRect(from, to, true);
  set_sampler(list, zoom > 1 ? platform.DrawCallback_SetSamplerNearest
                             : platform.DrawCallback_SetSamplerLinear);
  list.AddImage(texture.id, {placed.left, placed.top},
                {placed.left + static_cast<float>(sides.width) * placed.scale,
                 placed.top + static_cast<float>(sides.height) * placed.scale});
  set_sampler(list, platform.DrawCallback_SetSamplerLinear);
  list.PopClipRect();
}

std::optional<ImageView> moved_view(const ImageView& view, const ViewArea& area,
                                    PictureSides sides) {
  const ImGuiIO& io = ImGui::GetIO();
  if (ImGui::IsItemActive() && ImGui::IsMouseDragging(ImGuiMouseButton_Left, 0)) {
    if (io.MouseDelta.x == 0 && io.MouseDelta.y == 0) return std::nullopt;
    return panned(view, area, sides, io.MouseDelta.x, io.MouseDelta.y);
  }
  if (!ImGui::IsItemHovered()) return std::nullopt;
  ImGui::SetItemKeyOwner(ImGuiKey_MouseWheelY);
  if (io.MouseWheel == 0) return std::nullopt;
  return zoomed_about(view, area, sides, io.MousePos.x, io.MousePos.y,
                      std::pow(kWheelStep, io.MouseWheel));
}

std::string pixel_text(const ShownPicture& picture, const ViewArea& area, const ImageView& view) {
  const PictureSides sides = sides_of(picture);
  if (sides.width == 0) return "";
  const ImVec2 cursor = ImGui::GetIO().MousePos;
  const auto place = pixel_under(place_picture(view, area, sides), sides, cursor.x, cursor.y);
  if (!place) return "";
  const uint8_t* rgb = picture.image->pixel(place->x, place->y);
  return concat("x ", place->x, ", y ", place->y, ": ", int{rgb[0]}, " ", int{rgb[1]}, " ",
                int{rgb[2]});
}

}  // namespace dorabooth
