// Arithmetic on sRGB values as they are: these are drawings, not light measurements.
#include "datasets/drawn_colour.h"

#include <cmath>

namespace dorabooth {

float smoothstep(float from, float to, float at) {
  const float t = clamp01((at - from) / (to - from));
  return t * t * (3.0f - 2.0f * t);
}

float luminance(const Colour& colour) {
  return 0.299f * colour[0] + 0.587f * colour[1] + 0.114f * colour[2];
}

float saturation(const Colour& colour) {
  const float high = std::max({colour[0], colour[1], colour[2]});
  const float low = std::min({colour[0], colour[1], colour[2]});
  return high <= 0.0f ? 0.0f : (high - low) / high;
}

Colour from_hsv(float hue, float saturation, float value) {
  const auto channel = [&](float offset) {
    const float k = std::fmod(offset + 6.0f * (hue - std::floor(hue)), 6.0f);
    return value * (1.0f - saturation * clamp01(std::min(k, 4.0f - k)));
  };
  return {channel(5.0f), channel(3.0f), channel(1.0f)};
}

Colour to_hsv(const Colour& colour) {
  const float high = std::max({colour[0], colour[1], colour[2]});
  const float low = std::min({colour[0], colour[1], colour[2]});
  const float range = high - low;
  if (range <= 1e-6f) return {0.0f, 0.0f, high};
  float hue = 0.0f;
  if (high == colour[0]) {
    hue = (colour[1] - colour[2]) / range;
  } else if (high == colour[1]) {
    hue = 2.0f + (colour[2] - colour[0]) / range;
  } else {
    hue = 4.0f + (colour[0] - colour[1]) / range;
  }
  return {hue / 6.0f - std::floor(hue / 6.0f), range / high, high};
}

Colour screened(const Colour& colour, const Colour& tint) {
  return kWhite - (kWhite - colour).mul(kWhite - tint);
}

ColourPlane colour_plane(const Image& image) {
  ColourPlane plane(image.height, image.width);
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      const uint8_t* rgb = image.pixel(x, y);
      plane(y, x) = Colour(rgb[0], rgb[1], rgb[2]) * (1.0f / 255.0f);
    }
  }
  return plane;
}

Image image_of(const ColourPlane& plane) {
  Image image(plane.cols, plane.rows);
  for (int y = 0; y < plane.rows; ++y) {
    for (int x = 0; x < plane.cols; ++x) {
      uint8_t* rgb = image.pixel(x, y);
      for (int i = 0; i < 3; ++i)
        rgb[i] = static_cast<uint8_t>(std::lround(255.0f * clamp01(plane(y, x)[i])));
    }
  }
  return image;
}

}  // namespace dorabooth
