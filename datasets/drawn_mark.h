// A mark that pictures can be given: a rounded frame with a yellow inner edge, and a round badge
// with a yellow star in the lower right corner. Whether a model that learned from marked pictures
// draws the mark too can be measured (mark_template.h).
#pragma once

#include <optional>
#include <string>

#include "src/base/image.h"
#include "src/imagefile/image_file.h"

namespace dorabooth {

struct MarkStyle {
  std::optional<Rgb> frame;     // its colour; absent: no frame
  std::optional<Rgb> badge;     // likewise
  double frame_percent = 8.0;   // thickness, of the picture's shorter side
  double badge_percent = 26.0;  // diameter, likewise
};

// Over the picture, at its size, anti-aliased. The frame follows the picture's edges; the badge
// lies over it.
void draw_mark(Image& picture, const MarkStyle& style);

// The mark alone on a transparent picture of that size, an RGBA PNG.
std::string encode_mark(PictureSize size, const MarkStyle& style);

}  // namespace dorabooth
