// Where a surface faces the eye it keeps its own colour; turned away from the light it goes to a
// darker, more saturated and tinted colour, turned to it to a lighter one. So nothing turns grey.
#include "datasets/volume_shading.h"

#include <cmath>
#include <opencv2/imgproc.hpp>

#include "datasets/height_field.h"

namespace dorabooth {

namespace {

// Powers of 0 to 1 by table: the exponent is the same for a whole picture.
class PowerTable {
 public:
  explicit PowerTable(float exponent) {
    for (int i = 0; i <= kLast; ++i)
      values_[i] = std::pow(static_cast<float>(i) / static_cast<float>(kLast), exponent);
  }
  float operator()(float base) const {
    return values_[static_cast<int>(clamp01(base) * static_cast<float>(kLast) + 0.5f)];
  }

 private:
  static constexpr int kLast = 1023;
  float values_[kLast + 1];
};

Colour toned(const Colour& own, float tone, const Material& material, const PowerTable& gamma) {
  if (tone < 0.0f) {
    const Colour deep(gamma(own[0]) * material.shadow_tint[0],
                      gamma(own[1]) * material.shadow_tint[1],
                      gamma(own[2]) * material.shadow_tint[2]);
    return mix(own, deep, 1.0f - std::exp(1.6f * tone));
  }
  return mix(own, screened(own, material.light_tint), 1.0f - std::exp(-2.2f * tone));
}

}  // namespace

Colour Light::direction() const {
  const float flat = std::cos(elevation);
  return {flat * std::cos(azimuth), flat * std::sin(azimuth), std::sin(elevation)};
}

float along_light(const IconShape& shape, int x, int y, float to_x, float to_y) {
  const int part = shape.regions(y, x);
  if (part == 0) return 0.0f;
  const cv::Rect& bounds = shape.bounds[static_cast<size_t>(part)];
  const float u = (static_cast<float>(x - bounds.x) + 0.5f) / static_cast<float>(bounds.width);
  const float v = (static_cast<float>(y - bounds.y) + 0.5f) / static_cast<float>(bounds.height);
  return (2.0f * u - 1.0f) * to_x + (2.0f * v - 1.0f) * to_y;
}

cv::Point2f Light::away(float distance) const {
  return {-distance * std::cos(azimuth), -distance * std::sin(azimuth)};
}

ColourPlane relief_normals(const IconShape& shape, const Relief& relief) {
  Plane heights(inflated(shape.mask, 0.0f) * relief.whole);
  if (relief.parts > 0.0f)
    heights += inflated(shape.regions, shape.pixels(relief.plateau)) * relief.parts;
  return normals_of(heights, 1.0f, shape.pixels(relief.sigma));
}

Plane cast_shadows(const IconShape& shape, const Light& light, float reach) {
  Plane shadow(shape.side, shape.side, 0.0f);
  const int dx = static_cast<int>(std::lround(reach * std::cos(light.azimuth)));
  const int dy = static_cast<int>(std::lround(reach * std::sin(light.azimuth)));
  for (int y = 0; y < shape.side; ++y) {
    for (int x = 0; x < shape.side; ++x) {
      const int here = shape.regions(y, x);
      const int u = x + dx;
      const int v = y + dy;
      if (here == 0 || u < 0 || v < 0 || u >= shape.side || v >= shape.side) continue;
      const int there = shape.regions(v, u);
      const bool above =
          there != 0 && there != here &&
          shape.areas[static_cast<size_t>(there)] < shape.areas[static_cast<size_t>(here)];
      if (above) shadow(y, x) = 1.0f;
    }
  }
  const double sigma = 0.6 * static_cast<double>(reach);
  cv::GaussianBlur(shadow, shadow, {}, sigma, sigma);
  return shadow;
}

Plane lit_crescent(const IconShape& shape, const Light& light, float inset, float width) {
  const float dx = std::cos(light.azimuth) * width;
  const float dy = std::sin(light.azimuth) * width;
  Plane depth;
  cv::GaussianBlur(shape.to_ground, depth, {}, 0.8, 0.8);
  Plane inside(shape.side, shape.side);
  for (int y = 0; y < shape.side; ++y) {
    for (int x = 0; x < shape.side; ++x)
      inside(y, x) = smoothstep(inset - 1.0f, inset + 1.0f, depth(y, x));
  }
  const cv::Matx23f shift(1, 0, -dx, 0, 1, -dy);
  Plane moved;
  cv::warpAffine(inside, moved, shift, inside.size(), cv::INTER_LINEAR);
  Plane line(cv::max(inside - moved, 0.0));
  cv::GaussianBlur(line, line, {}, 0.7, 0.7);
  return line;
}

ColourPlane shaded(const IconShape& shape, const ColourPlane& normals, const Light& light,
                   const Material& material) {
  const float reach = shape.pixels(3.6f);
  const float edge_falloff = -0.5f / shape.pixels(1.0f);
  const Plane cast = cast_shadows(shape, light, reach);
  const Colour to_light = light.direction();
  const Colour half_way = [&] {
    const Colour sum = to_light + Colour(0.0f, 0.0f, 1.0f);
    return sum * (1.0f / std::sqrt(sum.dot(sum)));
  }();
  const float to_x = std::cos(light.azimuth);
  const float to_y = std::sin(light.azimuth);
  const PowerTable gamma(material.shadow_gamma);
  const PowerTable gloss(material.shininess);
  ColourPlane result(shape.side, shape.side);
  for (int y = 0; y < shape.side; ++y) {
    for (int x = 0; x < shape.side; ++x) {
      const Colour& n = normals(y, x);
      float tone = material.contrast * (n.dot(to_light) - to_light[2]);
      tone += material.gradient * along_light(shape, x, y, to_x, to_y);
      tone -= material.occlusion * std::exp(edge_falloff * shape.to_edge(y, x)) * 2.0f;
      tone -= 2.0f * material.cast * cast(y, x);
      Colour colour = toned(shape.colour(y, x), tone, material, gamma);
      const float away = std::max(0.0f, -(n[0] * to_x + n[1] * to_y) - 0.25f);
      colour = screened(colour, material.bounce_tint * (material.bounce * away * away * 2.0f));
      if (material.highlight > 0.0f) {
        const float shine = material.highlight * gloss(std::max(0.0f, n.dot(half_way)));
        colour = mix(colour, kWhite, clamp01(shine));
      }
      result(y, x) = colour;
    }
  }
  return result;
}

}  // namespace dorabooth
