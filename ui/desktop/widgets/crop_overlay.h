// A crop drawn over a picture, and dragged there.
#pragma once

#include <imgui.h>

#include <optional>

#include "ui/desktop/crop_drag.h"

namespace dorabooth {

// Where a picture lies on the screen.
struct PictureArea {
  ImVec2 min;
  ImVec2 size;
  float scale = 1;  // screen pixels a picture's pixel
  ImVec2 max() const { return {min.x + size.x, min.y + size.y}; }
};

// As large as it can be inside the room, centred.
PictureArea fit_picture(PictureSize picture, ImVec2 at, ImVec2 room);

// Darkens what is cut off and outlines the rest; one that was drawn by hand has corner marks.
void draw_crop(ImDrawList& list, const PictureArea& area, const CropRectangle& crop, bool drawn);

struct CropEdit {
  std::optional<CropRectangle> crop;  // where it was dragged to in this frame
  bool ended = false;
};

// Items "##crop" (moves it) and "##left_top", "##right_top", "##left_bottom", "##right_bottom".
CropEdit drag_crop(const PictureArea& area, const CropRectangle& crop, PictureSize picture,
                   double aspect);

}  // namespace dorabooth
