// Zoom and centre that all cells of a comparison share, and where a picture then lies: pure
// geometry. Zoom counts framebuffer pixels a picture pixel, so that 100 % is 100 % on any screen.
#pragma once

#include <optional>

namespace dorabooth {

struct ImageView {
  double zoom = 0.0;  // 0: as large as fits
  double x = 0.5;     // what stands in the middle of the cell, as a share of the picture
  double y = 0.5;
};

// Where a picture can be seen, in screen units; `pixels` is framebuffer pixels a unit.
struct ViewArea {
  float left = 0;
  float top = 0;
  float width = 0;
  float height = 0;
  float pixels = 1;
};

struct PictureSides {
  int width = 0;
  int height = 0;
};

// A picture on the screen, larger or smaller than its area.
struct Placement {
  float left = 0;
  float top = 0;
  float scale = 1;  // screen units a picture pixel
};

struct PixelPlace {
  int x = 0;
  int y = 0;
};

double fitting_zoom(const ViewArea& area, PictureSides sides);
double shown_zoom(const ImageView& view, const ViewArea& area, PictureSides sides);
Placement place_picture(const ImageView& view, const ViewArea& area, PictureSides sides);

// What is under the cursor stays there.
ImageView zoomed_about(const ImageView& view, const ViewArea& area, PictureSides sides,
                       float cursor_x, float cursor_y, double factor);
// Moved by a drag in screen units.
ImageView panned(const ImageView& view, const ViewArea& area, PictureSides sides, float dx,
                 float dy);
ImageView actual_size(const ImageView& view);

// The picture's pixel under the cursor, if there is one.
std::optional<PixelPlace> pixel_under(const Placement& placement, PictureSides sides,
                                      float cursor_x, float cursor_y);

}  // namespace dorabooth
