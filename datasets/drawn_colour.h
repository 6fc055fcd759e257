// Colours as three floats 0 to 1 in sRGB (red, green, blue), and planes of them.
#pragma once

#include <algorithm>
#include <opencv2/core.hpp>

#include "src/base/image.h"

namespace dorabooth {

using Colour = cv::Vec3f;
using Plane = cv::Mat_<float>;
using ColourPlane = cv::Mat_<Colour>;

inline const Colour kWhite(1.0f, 1.0f, 1.0f);

inline constexpr float clamp01(float value) { return std::min(1.0f, std::max(0.0f, value)); }
inline float mix(float a, float b, float share) { return a + (b - a) * share; }
inline Colour mix(const Colour& a, const Colour& b, float share) { return a + (b - a) * share; }
float smoothstep(float from, float to, float at);

float luminance(const Colour& colour);
float saturation(const Colour& colour);
// Hue in turns; saturation and value 0 to 1.
Colour from_hsv(float hue, float saturation, float value);
// Hue in turns, saturation, value.
Colour to_hsv(const Colour& colour);
// Brighter without turning grey: what is left to white is taken up in part, by `tint`.
Colour screened(const Colour& colour, const Colour& tint);

ColourPlane colour_plane(const Image& image);
Image image_of(const ColourPlane& plane);

}  // namespace dorabooth
