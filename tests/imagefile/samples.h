// Sample pixels, EXIF blocks and tests' shorthands shared by the codec tests.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "src/base/image.h"

namespace dorabooth::testing {

// 4 wide, 2 high, eight different colours.
inline const std::vector<uint8_t> kSampleRgb{255, 0,  0,  0,  255, 0,  0,  0,  255, 255, 255, 0,
                                             10,  20, 30, 40, 50,  60, 70, 80, 90,  200, 100, 50};
inline const std::vector<uint8_t> kSampleAlpha{255, 0, 128, 255, 1, 254, 64, 200};

inline Image sample_image() {
  Image image(4, 2);
  image.rgb_hwc = kSampleRgb;
  return image;
}

inline std::vector<uint8_t> sample_rgba() {
  std::vector<uint8_t> rgba;
  for (size_t i = 0; i < kSampleAlpha.size(); ++i) {
    for (size_t c = 0; c < 3; ++c) rgba.push_back(kSampleRgb[3 * i + c]);
    rgba.push_back(kSampleAlpha[i]);
  }
  return rgba;
}

// Colour of channel c of pixel i over a background, by the definition of "over", unrounded.
inline double sample_over(size_t i, size_t c, double background) {
  const double alpha = kSampleAlpha[i] / 255.0;
  return alpha * kSampleRgb[3 * i + c] + (1 - alpha) * background;
}

// An EXIF block (TIFF structure) whose only tag is the orientation.
inline std::string exif_block(int orientation, bool big_endian = false) {
  const auto value = static_cast<char>(orientation);
  if (big_endian) {
    return std::string("MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0", 19) + value +
           std::string(6, '\0');
  }
  return std::string("II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0", 18) + value +
         std::string(7, '\0');
}

}  // namespace dorabooth::testing
