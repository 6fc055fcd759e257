// A plain layout: the same cell everywhere.
#include "src/imagefile/caption_grid.h"

#include <algorithm>

#include "src/base/error.h"

namespace dorabooth {

namespace {

constexpr float kTextPixels = 15.0f;
constexpr int kGap = 10;
constexpr Rgb kMarkedInk{190, 20, 20};

void draw_cell(Image& sheet, const CaptionedCell& cell, int left, int top, int width, int height,
               const Font& font) {
  paste(sheet, cell.picture, left + (width - cell.picture.width) / 2,
        top + (height - cell.picture.height) / 2);
  int line_top = top + height + 2;
  for (const std::string& line : cell.lines) {
    for (const std::string& shown : font.wrap(line, kTextPixels, width, 1))
      font.draw(sheet, left, line_top, shown, kTextPixels, cell.marked ? kMarkedInk : kSheetInk);
    line_top += font.line_height(kTextPixels);
  }
}

}  // namespace

Image caption_grid(const std::string& title, const std::vector<CaptionedCell>& cells, int columns,
                   const Font& font) {
  if (cells.empty() || columns < 1) fail("a grid of no pictures cannot be drawn");
  int width = 0;
  int height = 0;
  size_t lines = 0;
  for (const CaptionedCell& cell : cells) {
    width = std::max(width, cell.picture.width);
    height = std::max(height, cell.picture.height);
    lines = std::max(lines, cell.lines.size());
  }
  const int line = font.line_height(kTextPixels);
  const int cell_height = height + 2 + static_cast<int>(lines) * line;
  const int rows = (static_cast<int>(cells.size()) + columns - 1) / columns;
  const int title_height = title.empty() ? 0 : line + kGap;
  Image sheet(kGap + columns * (width + kGap), kGap + title_height + rows * (cell_height + kGap),
              kSheetPaper);
  if (!title.empty()) font.draw(sheet, kGap, kGap, title, kTextPixels, kSheetInk);
  for (size_t i = 0; i < cells.size(); ++i) {
    const int column = static_cast<int>(i) % columns;
    const int row = static_cast<int>(i) / columns;
    draw_cell(sheet, cells[i], kGap + column * (width + kGap),
              kGap + title_height + row * (cell_height + kGap), width, height, font);
  }
  return sheet;
}

void draw_crop_outline(Image& image, int left, int top, int width, int height, Rgb colour) {
  constexpr int kBorder = 2;
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      const int inside = std::min({x - left, left + width - 1 - x, y - top, top + height - 1 - y});
      uint8_t* pixel = image.pixel(x, y);
      if (inside < 0) {
        for (int c = 0; c < 3; ++c) pixel[c] = static_cast<uint8_t>(pixel[c] * 2 / 5);
      } else if (inside < kBorder) {
        pixel[0] = colour.red;
        pixel[1] = colour.green;
        pixel[2] = colour.blue;
      }
    }
  }
}

}  // namespace dorabooth
