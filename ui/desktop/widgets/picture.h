// Draws pictures into an area of the window, all by one ImageView, and turns wheel and drag into
// the next view.
#pragma once

#include <imgui.h>

#include <optional>
#include <string>

#include "ui/desktop/image_view.h"
#include "ui/desktop/widgets/widgets.h"

namespace dorabooth {

struct ShownPicture {
  std::string cell;  // of the texture store
  std::shared_ptr<const Image> image;
};

ViewArea view_area(ImVec2 top_left, ImVec2 size);
PictureSides sides_of(const ShownPicture& picture);

// Only what lies in `clip_left` … `clip_right` (screen units): the split slider draws two halves.
struct ClipRange {
  float left = -1e9F;
  float right = 1e9F;
};
// Nearest sampling above 100 %, linear below.
void draw_picture(const ShownPicture& picture, const ViewArea& area, const ImageView& view,
                  Widgets& widgets, ClipRange clip = {});

// For the item drawn last, which covers `area`: the view after this frame's wheel and drag, if they
// changed it.
std::optional<ImageView> moved_view(const ImageView& view, const ViewArea& area,
                                    PictureSides sides);

// "x 12, y 40: 255 128 0" for the pixel under the cursor; "" if there is none.
std::string pixel_text(const ShownPicture& picture, const ViewArea& area, const ImageView& view);

}  // namespace dorabooth
