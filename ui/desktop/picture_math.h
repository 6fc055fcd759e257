// Pictures made from pictures: their difference, and smaller copies.
#pragma once

#include <cstddef>

#include "src/base/image.h"

namespace dorabooth {

// |a - b| × gain, a channel at most 255; empty if the sizes differ.
Image picture_difference(const Image& a, const Image& b, double gain);

// Half the sides, rounded up; each pixel is the mean of up to four.
Image half_picture(const Image& image);

}  // namespace dorabooth
