// Edges are whole pixels; the width decides and the height follows.
#include "ui/desktop/crop_drag.h"

#include <algorithm>
#include <cmath>

namespace dorabooth {

namespace {

constexpr double kSmallest = 16;  // pixels; less cannot be grasped again

}  // namespace

CropRectangle moved_crop(CropRectangle crop, int64_t left, int64_t top, PictureSize picture) {
  crop.left = std::clamp<int64_t>(left, 0, std::max<int64_t>(0, picture.width - crop.width));
  crop.top = std::clamp<int64_t>(top, 0, std::max<int64_t>(0, picture.height - crop.height));
  return crop;
}

CropRectangle resized_crop(const CropRectangle& crop, CropCorner corner, double x, double y,
                           double aspect, PictureSize picture) {
  const bool from_right = corner == CropCorner::kLeftTop || corner == CropCorner::kLeftBottom;
  const bool from_bottom = corner == CropCorner::kLeftTop || corner == CropCorner::kRightTop;
  // The corner that stays.
  const int64_t fixed_x = crop.left + (from_right ? crop.width : 0);
  const int64_t fixed_y = crop.top + (from_bottom ? crop.height : 0);
  const auto room_x = static_cast<double>(from_right ? fixed_x : picture.width - fixed_x);
  const auto room_y = static_cast<double>(from_bottom ? fixed_y : picture.height - fixed_y);
  const double wanted_x = std::max(
      0.0, from_right ? static_cast<double>(fixed_x) - x : x - static_cast<double>(fixed_x));
  const double wanted_y = std::max(
      0.0, from_bottom ? static_cast<double>(fixed_y) - y : y - static_cast<double>(fixed_y));
  const double most = std::min(room_x, room_y * aspect);
  const double least = std::min(most, std::max(kSmallest, kSmallest * aspect));
  const double width = std::clamp(std::max(wanted_x, wanted_y * aspect), least, most);
  CropRectangle result;
  result.width = std::clamp<int64_t>(std::llround(width), 1, static_cast<int64_t>(room_x));
  result.height = std::clamp<int64_t>(std::llround(static_cast<double>(result.width) / aspect), 1,
                                      static_cast<int64_t>(room_y));
  result.left = from_right ? fixed_x - result.width : fixed_x;
  result.top = from_bottom ? fixed_y - result.height : fixed_y;
  return result;
}

}  // namespace dorabooth
