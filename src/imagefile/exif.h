// The orientation in an EXIF block (TIFF structure, tag 274 of the first directory; CIPA DC-008).
#pragma once

#include <string_view>

#include "src/base/image.h"

namespace dorabooth {

// 1 … 8; 1 if the block is damaged or has no such tag. `tiff` starts with "II*\0" or "MM\0*".
int exif_orientation(std::string_view tiff);

// The orientation in a JPEG's APP1 segment; 1 if there is none.
int jpeg_exif_orientation(std::string_view jpeg);

// Turns and mirrors the picture so that it stands as the camera was held.
Image apply_orientation(Image image, int orientation);

}  // namespace dorabooth
