// Where a crop ends up when it is dragged: always inside the picture, always of the same
// proportions.
#pragma once

#include "datasets/crop_rectangle.h"

namespace dorabooth {

enum class CropCorner { kLeftTop, kRightTop, kLeftBottom, kRightBottom };

CropRectangle moved_crop(CropRectangle crop, int64_t left, int64_t top, PictureSize picture);

// `corner` goes as near to (x, y) as it can, the opposite one stays; `aspect` is width / height.
CropRectangle resized_crop(const CropRectangle& crop, CropCorner corner, double x, double y,
                           double aspect, PictureSize picture);

}  // namespace dorabooth
