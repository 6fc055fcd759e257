#include "ui/desktop/image_view.h"

#include <algorithm>
#include <cmath>

namespace dorabooth {

namespace {

constexpr double kLargestZoom = 64;

bool is_nothing(const ViewArea& area, PictureSides sides) {
  return sides.width <= 0 || sides.height <= 0 || area.width <= 0 || area.height <= 0;
}

}  // namespace

double fitting_zoom(const ViewArea& area, PictureSides sides) {
  if (is_nothing(area, sides)) return 1;
  return std::min(area.width / static_cast<float>(sides.width),
                  area.height / static_cast<float>(sides.height)) *
         area.pixels;
}

double shown_zoom(const ImageView& view, const ViewArea& area, PictureSides sides) {
  return view.zoom > 0 ? view.zoom : fitting_zoom(area, sides);
}

Placement place_picture(const ImageView& view, const ViewArea& area, PictureSides sides) {
  Placement placed;
  placed.scale = static_cast<float>(shown_zoom(view, area, sides)) / area.pixels;
  const bool fitted = view.zoom <= 0;
  const auto x = static_cast<float>(fitted ? 0.5 : view.x);
  const auto y = static_cast<float>(fitted ? 0.5 : view.y);
  placed.left = area.left + 0.5F * area.width - x * static_cast<float>(sides.width) * placed.scale;
  placed.top = area.top + 0.5F * area.height - y * static_cast<float>(sides.height) * placed.scale;
  return placed;
}

ImageView zoomed_about(const ImageView& view, const ViewArea& area, PictureSides sides,
                       float cursor_x, float cursor_y, double factor) {
  if (is_nothing(area, sides)) return view;
  const Placement before = place_picture(view, area, sides);
  const double fit = fitting_zoom(area, sides);
  ImageView after;
  after.zoom = std::clamp(shown_zoom(view, area, sides) * factor, std::min(fit, 1.0),
                          std::max(fit, kLargestZoom));
  const double scale = after.zoom / area.pixels;
  const double under_x = (cursor_x - before.left) / before.scale;  // in picture pixels
  const double under_y = (cursor_y - before.top) / before.scale;
  const double middle_x = area.left + 0.5 * area.width;
  const double middle_y = area.top + 0.5 * area.height;
  after.x = std::clamp((under_x + (middle_x - cursor_x) / scale) / sides.width, 0.0, 1.0);
  after.y = std::clamp((under_y + (middle_y - cursor_y) / scale) / sides.height, 0.0, 1.0);
  return after;
}

ImageView panned(const ImageView& view, const ViewArea& area, PictureSides sides, float dx,
                 float dy) {
  if (view.zoom <= 0 || is_nothing(area, sides)) return view;
  const double scale = view.zoom / area.pixels;
  ImageView after = view;
  after.x = std::clamp(view.x - dx / (scale * sides.width), 0.0, 1.0);
  after.y = std::clamp(view.y - dy / (scale * sides.height), 0.0, 1.0);
  return after;
}

ImageView actual_size(const ImageView& view) {
  return view.zoom > 0 ? ImageView{1.0, view.x, view.y} : ImageView{1.0, 0.5, 0.5};
}

std::optional<PixelPlace> pixel_under(const Placement& placement, PictureSides sides,
                                      float cursor_x, float cursor_y) {
  if (placement.scale <= 0) return std::nullopt;
  const float x = std::floor((cursor_x - placement.left) / placement.scale);
  const float y = std::floor((cursor_y - placement.top) / placement.scale);
  if (x < 0 || y < 0 || x >= static_cast<float>(sides.width) ||
      y >= static_cast<float>(sides.height))
    return std::nullopt;
  return PixelPlace{static_cast<int>(x), static_cast<int>(y)};
}

}  // namespace dorabooth
