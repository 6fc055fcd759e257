// The picture type of the whole program: 8-bit RGB, rows from the top, no padding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace dorabooth {

struct Image {
  int width = 0;
  int height = 0;
  std::vector<uint8_t> rgb_hwc;  // [height, width, 3]

  Image() = default;
  Image(int w, int h, uint8_t value = 0)
      : width(w), height(h), rgb_hwc(static_cast<size_t>(w) * static_cast<size_t>(h) * 3, value) {}

  bool empty() const { return rgb_hwc.empty(); }
  uint8_t* pixel(int x, int y) {
    return rgb_hwc.data() +
           3 * (static_cast<size_t>(y) * static_cast<size_t>(width) + static_cast<size_t>(x));
  }
  const uint8_t* pixel(int x, int y) const {
    return rgb_hwc.data() +
           3 * (static_cast<size_t>(y) * static_cast<size_t>(width) + static_cast<size_t>(x));
  }
};

}  // namespace dorabooth
