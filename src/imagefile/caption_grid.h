// Pictures in rows with a few lines of text under each.
#pragma once

#include <string>
#include <vector>

#include "src/base/image.h"
#include "src/imagefile/text_drawing.h"

namespace dorabooth {

struct CaptionedCell {
  Image picture;
  std::vector<std::string> lines;  // each cut where it is too long for the cell
  bool marked = false;             // its lines stand in red
};

// Cells are as large as the largest picture, `columns` of them a row. Throws on no cells.
Image caption_grid(const std::string& title, const std::vector<CaptionedCell>& cells, int columns,
                   const Font& font);

// Darkens what is outside of a rectangle (in pixels) and draws a border of 2 pixels around it.
void draw_crop_outline(Image& image, int left, int top, int width, int height, Rgb colour);

}  // namespace dorabooth
