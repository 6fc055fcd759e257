// Of three drawn colours a ground takes the one that is furthest from the icon's.
#include "datasets/drawn_ground.h"

#include <cmath>
#include <opencv2/imgproc.hpp>

namespace dorabooth {

namespace {

Colour mean_colour(const IconShape& shape) {
  Colour sum;
  float weight = 1e-3f;
  for (int y = 0; y < shape.side; ++y) {
    for (int x = 0; x < shape.side; ++x) {
      sum += shape.colour(y, x) * shape.alpha(y, x);
      weight += shape.alpha(y, x);
    }
  }
  return sum * (1.0f / weight);
}

ColourPlane gradient(int side, const Colour& from, const Colour& to, float angle) {
  ColourPlane plane(side, side);
  const float dx = std::cos(angle);
  const float dy = std::sin(angle);
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side; ++x) {
      const float u = (static_cast<float>(x) + 0.5f) / static_cast<float>(side) - 0.5f;
      const float v = (static_cast<float>(y) + 0.5f) / static_cast<float>(side) - 0.5f;
      plane(y, x) = mix(from, to, clamp01(0.5f + u * dx + v * dy));
    }
  }
  return plane;
}

}  // namespace

ColourPlane plain_ground(int side, const Colour& colour) { return ColourPlane(side, side, colour); }

ColourPlane coloured_ground(const IconShape& shape, StyleDraws& draws) {
  const Colour own = mean_colour(shape);
  const bool pastel = draws.chance(0.5f);
  Colour best_hsv;
  float furthest = -1.0f;
  for (int i = 0; i < 3; ++i) {
    const float hue = draws.unit();
    const float saturation = pastel ? draws.between(0.15f, 0.35f) : draws.between(0.45f, 0.8f);
    const float value = pastel ? draws.between(0.9f, 1.0f) : draws.between(0.7f, 0.98f);
    const Colour away = from_hsv(hue, saturation, value) - own;
    if (away.dot(away) <= furthest) continue;
    furthest = away.dot(away);
    best_hsv = Colour(hue, saturation, value);
  }
  const Colour colour = from_hsv(best_hsv[0], best_hsv[1], best_hsv[2]);
  const float angle = draws.between(0.6f, 2.5f);
  const float turn = draws.between(-0.09f, 0.09f);
  if (!draws.chance(0.5f)) return plain_ground(shape.side, colour);
  const Colour other =
      from_hsv(best_hsv[0] + turn, std::min(1.0f, best_hsv[1] * 1.35f), best_hsv[2] * 0.88f);
  return gradient(shape.side, colour, other, angle);
}

ColourPlane dark_ground(const IconShape& shape, StyleDraws& draws) {
  const float hue = draws.unit();
  const float saturation = draws.between(0.1f, 0.55f);
  const float value = draws.between(0.08f, 0.2f);
  const float lift = draws.between(0.0f, 0.06f);
  return gradient(shape.side, from_hsv(hue, saturation, value + lift),
                  from_hsv(hue, saturation, value), 1.5708f);
}

void cast_on_ground(ColourPlane& ground, const Plane& alpha, const cv::Point2f& offset, float blur,
                    float strength, const Colour& tint) {
  Plane shadow;
  cv::warpAffine(alpha, shadow, cv::Matx23f(1, 0, offset.x, 0, 1, offset.y), alpha.size(),
                 cv::INTER_LINEAR);
  if (blur > 0.0f) cv::GaussianBlur(shadow, shadow, {}, blur, blur);
  for (int y = 0; y < ground.rows; ++y) {
    for (int x = 0; x < ground.cols; ++x) {
      Colour& colour = ground(y, x);
      colour = mix(colour, colour.mul(tint), clamp01(strength * shadow(y, x)));
    }
  }
}

ColourPlane laid_over(const ColourPlane& icon, const Plane& alpha, const ColourPlane& ground) {
  ColourPlane result(icon.rows, icon.cols);
  for (int y = 0; y < icon.rows; ++y) {
    for (int x = 0; x < icon.cols; ++x) result(y, x) = mix(ground(y, x), icon(y, x), alpha(y, x));
  }
  return result;
}

}  // namespace dorabooth
