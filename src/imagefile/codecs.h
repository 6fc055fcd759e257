// The decoders behind image_file.h: each turns one container's bytes into straight or premultiplied
// RGBA. Errors hold the reason alone; image_file.cpp puts the picture's name before it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "src/imagefile/image_file.h"

namespace dorabooth::codecs {

struct Pixels {
  int width = 0;
  int height = 0;
  std::vector<uint8_t> rgba_hwc;  // [height, width, 4]
  bool premultiplied = false;
  int orientation = 1;  // EXIF tag 274, not yet applied
  bool has_icc_profile = false;
  std::string note;
};

// Size as stored, before the orientation.
struct Header {
  int64_t width = 0;
  int64_t height = 0;
  int orientation = 1;
};

Header png_header(std::string_view bytes);
Pixels decode_png(std::string_view bytes);
Header jpeg_header(std::string_view bytes);
Pixels decode_jpeg(std::string_view bytes);
Header bmp_header(std::string_view bytes);
Pixels decode_bmp(std::string_view bytes);
Header webp_header(std::string_view bytes);
Pixels decode_webp(std::string_view bytes);
Header tiff_header(std::string_view bytes);
Pixels decode_tiff(std::string_view bytes);

inline const uint8_t* data_of(std::string_view bytes) {
  return reinterpret_cast<const uint8_t*>(bytes.data());
}

// Throws with size and limit if a side is not in 1 … kMaxPictureSide.
void check_size(int64_t width, int64_t height);

}  // namespace dorabooth::codecs
