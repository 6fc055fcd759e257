#include "ui/desktop/picture_math.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

namespace dorabooth {

Image picture_difference(const Image& a, const Image& b, double gain) {
  if (a.width != b.width || a.height != b.height) return {};
  std::array<uint8_t, 256> amplified{};
  for (size_t i = 0; i < amplified.size(); ++i) {
    const double value = std::round(static_cast<double>(i) * gain);
    amplified[i] = static_cast<uint8_t>(std::clamp(value, 0.0, 255.0));
  }
  Image difference(a.width, a.height);
  for (size_t i = 0; i < a.rgb_hwc.size(); ++i)
    difference.rgb_hwc[i] = amplified[static_cast<size_t>(std::abs(a.rgb_hwc[i] - b.rgb_hwc[i]))];
  return difference;
}

Image half_picture(const Image& image) {
  Image half((image.width + 1) / 2, (image.height + 1) / 2);
  for (int y = 0; y < half.height; ++y) {
    const int below = std::min(2 * y + 1, image.height - 1);
    for (int x = 0; x < half.width; ++x) {
      const int right = std::min(2 * x + 1, image.width - 1);
      for (int c = 0; c < 3; ++c) {
        const int sum = image.pixel(2 * x, 2 * y)[c] + image.pixel(right, 2 * y)[c] +
                        image.pixel(2 * x, below)[c] + image.pixel(right, below)[c];
        half.pixel(x, y)[c] = static_cast<uint8_t>((sum + 2) / 4);
      }
    }
  }
  return half;
}

}  // namespace dorabooth
