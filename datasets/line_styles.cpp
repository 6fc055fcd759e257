// Styles drawn with lines and brushes along the edges of the icon's parts.
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "datasets/style_painters.h"

namespace dorabooth {

namespace {

// Distance to the nearest line between parts or along the outline, in pixels, smoothed.
Plane distance_to_lines(const IconShape& shape) {
  Plane distance(shape.side, shape.side);
  Plane to_icon;
  cv::distanceTransform(cv::Mat(shape.mask == 0), to_icon, cv::DIST_L2, cv::DIST_MASK_5);
  for (int y = 0; y < shape.side; ++y) {
    for (int x = 0; x < shape.side; ++x)
      distance(y, x) =
          shape.mask(y, x) != 0 ? shape.to_edge(y, x) : std::max(to_icon(y, x) - 1.0f, 0.0f);
  }
  cv::GaussianBlur(distance, distance, {}, 0.7, 0.7);
  return distance;
}

// 0 to 1: a line of this width along the edges.
Plane contour(const IconShape& shape, float width) {
  Plane line = distance_to_lines(shape);
  const float half = 0.5f * width + 0.3f;
  for (float& value : line) value = smoothstep(half + 0.7f, half - 0.5f, value);
  return line;
}

// Smooth noise of mean 0 and deviation 1, in spots of about `spot` pixels.
Plane smooth_noise(const IconShape& shape, const StyleDraws& draws, float spot) {
  Plane noise(shape.side, shape.side);
  draws.fill_normal({noise[0], noise.total()});
  cv::GaussianBlur(noise, noise, {}, spot, spot, cv::BORDER_REFLECT);
  cv::Scalar mean;
  cv::Scalar deviation;
  cv::meanStdDev(noise, mean, deviation);
  for (float& value : noise)
    value = (value - static_cast<float>(mean[0])) / static_cast<float>(deviation[0] + 1e-6);
  return noise;
}

// Moves a plane's pixels about by a few pixels, as an unsteady hand does.
template <typename Kind>
cv::Mat_<Kind> wavering(const cv::Mat_<Kind>& plane, const Plane& noise, float distance) {
  cv::Mat_<cv::Vec2f> places(plane.rows, plane.cols);
  const int half = plane.rows / 2;
  for (int y = 0; y < plane.rows; ++y) {
    for (int x = 0; x < plane.cols; ++x) {
      const float other = noise((y + half) % plane.rows, (x + half) % plane.cols);
      places(y, x) = cv::Vec2f(static_cast<float>(x) + distance * noise(y, x),
                               static_cast<float>(y) + distance * other);
    }
  }
  cv::Mat_<Kind> moved;
  cv::remap(plane, moved, places, {}, cv::INTER_LINEAR, cv::BORDER_REPLICATE);
  return moved;
}

ColourPlane flat_parts(const IconShape& shape) {
  ColourPlane flat = shape.flat.clone();
  for (int y = 0; y < shape.side; ++y) {
    for (int x = 0; x < shape.side; ++x) {
      const auto part = static_cast<size_t>(shape.regions(y, x));
      if (part > 0) flat(y, x) = shape.colours[part];
    }
  }
  return flat;
}

// 0 to 1: ink at a point of strokes across an angle, `period` pixels apart; `share` of the paper is
// under them.
float hatched(float x, float y, float angle, float period, float share) {
  const float across = (x * std::cos(angle) + y * std::sin(angle)) / period;
  const float in_stroke = std::abs(2.0f * (across - std::floor(across)) - 1.0f);
  return smoothstep(share + 0.2f, share - 0.2f, in_stroke);
}

}  // namespace

ColourPlane paint_outlined(const IconShape& shape, const Light&, StyleDraws& draws) {
  const float width = shape.pixels(draws.between(1.5f, 4.0f));
  const float hue = draws.unit();
  const Colour ink = from_hsv(hue, 0.5f, draws.chance(0.6f) ? 0.08f : 0.3f);
  const Plane line = contour(shape, width);
  return laid_over(plain_ground(shape.side, ink), line, flat_parts(shape));
}

ColourPlane paint_lines(const IconShape& shape, const Light&, StyleDraws& draws) {
  const float width = shape.pixels(draws.between(1.0f, 2.8f));
  const float hue = draws.unit();
  const Colour ink = draws.chance(0.6f) ? Colour(0.08f, 0.08f, 0.1f) : from_hsv(hue, 0.8f, 0.5f);
  return laid_over(plain_ground(shape.side, ink), contour(shape, width),
                   plain_ground(shape.side, kWhite));
}

// Contours and hatching, denser where the icon is darker, on rough paper.
ColourPlane paint_pencilled(const IconShape& shape, const Light&, StyleDraws& draws) {
  const float angle = draws.between(0.4f, 1.2f);
  const float period = shape.pixels(draws.between(2.6f, 4.0f));
  const bool coloured = draws.chance(0.4f);
  const float waver = shape.pixels(draws.between(0.5f, 1.0f));
  const Plane noise = smooth_noise(shape, draws, shape.pixels(6.0f));
  const Plane line = wavering(contour(shape, shape.pixels(1.2f)), noise, waver);
  Plane grain(shape.side, shape.side);
  draws.fill_uniform({grain[0], grain.total()});
  cv::GaussianBlur(grain, grain, {}, 0.6, 0.6);
  ColourPlane picture(shape.side, shape.side);
  for (int y = 0; y < shape.side; ++y) {
    for (int x = 0; x < shape.side; ++x) {
      const float dark = shape.alpha(y, x) * (1.0f - luminance(shape.colour(y, x)));
      const float u = static_cast<float>(x) + waver * noise(y, x);
      const auto v = static_cast<float>(y);
      float ink =
          hatched(u, v, angle, period, 0.15f + 0.8f * dark) * smoothstep(0.02f, 0.12f, dark);
      if (dark > 0.45f) ink = std::max(ink, hatched(u, v, angle + 1.4f, period, dark - 0.1f));
      const float rough = clamp01(1.35f - 0.9f * grain(y, x));
      const float amount = clamp01(std::max(0.75f * ink, 0.9f * line(y, x)) * rough);
      const Colour lead = coloured ? shape.colour(y, x) * 0.75f : Colour(0.2f, 0.2f, 0.23f);
      const float paper = 0.985f - 0.05f * (grain(y, x) - 0.5f);
      picture(y, x) = mix(Colour(paper, paper, paper * 0.985f), lead, amount);
    }
  }
  return picture;
}

// Washes that run over the edges, with darker rims and uneven pigment.
ColourPlane paint_watercolour(const IconShape& shape, const Light&, StyleDraws& draws) {
  const float bleed = shape.pixels(draws.between(1.2f, 2.2f));
  const float strength = draws.between(0.6f, 0.85f);
  const Plane coarse = smooth_noise(shape, draws, shape.pixels(draws.between(4.0f, 8.0f)));
  ColourPlane wash = wavering(shape.flat, coarse, bleed);
  cv::bilateralFilter(wash.clone(), wash, 5, 0.2, shape.pixels(2.0f));
  Plane cover = wavering(shape.alpha, coarse, bleed);
  cv::GaussianBlur(cover, cover, {}, 0.8, 0.8);
  Plane wide;
  cv::GaussianBlur(cover, wide, {}, shape.pixels(3.0f), shape.pixels(3.0f));
  Plane grain(shape.side, shape.side);
  draws.fill_uniform({grain[0], grain.total()});
  cv::GaussianBlur(grain, grain, {}, 0.8, 0.8);
  ColourPlane picture(shape.side, shape.side);
  for (int y = 0; y < shape.side; ++y) {
    for (int x = 0; x < shape.side; ++x) {
      const float rim = cover(y, x) * std::max(0.0f, 0.85f - wide(y, x));
      const float pigment =
          clamp01(strength + 0.13f * coarse(y, x) + 0.7f * rim + 0.5f * (grain(y, x) - 0.5f));
      const Colour paint = wash(y, x).mul(mix(kWhite, wash(y, x), 0.6f * rim));
      picture(y, x) = mix(Colour(0.995f, 0.99f, 0.975f), paint, pigment);
    }
  }
  return picture;
}

// Bright tubes along the edges in the dark, in the parts' hues.
ColourPlane paint_neon(const IconShape& shape, const Light&, StyleDraws& draws) {
  const Plane distance = distance_to_lines(shape);
  const float width = shape.pixels(draws.between(0.8f, 1.6f));
  const float spread = shape.pixels(draws.between(3.0f, 6.0f));
  const bool one_hue = draws.chance(0.35f);
  const float hue = draws.unit();
  const ColourPlane dark = dark_ground(shape, draws);
  ColourPlane tubes(shape.side, shape.side, Colour());
  for (int y = 0; y < shape.side; ++y) {
    for (int x = 0; x < shape.side; ++x) {
      const Colour hsv = to_hsv(shape.colour(y, x));
      const float own_hue = one_hue || hsv[1] < 0.15f ? hue : hsv[0];
      const float lit = smoothstep(width + 1.0f, width - 0.3f, distance(y, x));
      tubes(y, x) = from_hsv(own_hue, 0.85f, 1.0f) * lit;
    }
  }
  ColourPlane glow;
  cv::GaussianBlur(tubes, glow, {}, spread, spread);
  ColourPlane near;
  cv::GaussianBlur(tubes, near, {}, 1.2, 1.2);
  ColourPlane picture(shape.side, shape.side);
  for (int y = 0; y < shape.side; ++y) {
    for (int x = 0; x < shape.side; ++x) {
      Colour colour = dark(y, x) * 0.7f;
      colour = screened(colour, glow(y, x) * 0.9f);
      colour = screened(colour, near(y, x) * 0.8f);
      const float core = smoothstep(0.6f * width + 0.5f, 0.0f, distance(y, x));
      picture(y, x) = mix(screened(colour, tubes(y, x)), kWhite, 0.65f * core);
    }
  }
  return picture;
}

// Panes of uneven colour between lead lines, cut further by straight lines.
ColourPlane paint_stained_glass(const IconShape& shape, const Light&, StyleDraws& draws) {
  constexpr int kPoints = 26;
  std::vector<cv::Point2f> points;
  std::vector<float> tones;
  for (int i = 0; i < kPoints; ++i) {
    const float x = draws.unit() * static_cast<float>(shape.side);
    points.emplace_back(x, draws.unit() * static_cast<float>(shape.side));
    tones.push_back(draws.between(0.78f, 1.15f));
  }
  const Colour pane = from_hsv(draws.unit(), 0.3f, 0.95f);
  const float lead = shape.pixels(draws.between(1.2f, 2.0f));
  const Plane edges = distance_to_lines(shape);
  ColourPlane picture(shape.side, shape.side);
  for (int y = 0; y < shape.side; ++y) {
    for (int x = 0; x < shape.side; ++x) {
      float first = 1e9f;
      float second = 1e9f;
      size_t nearest = 0;
      for (size_t i = 0; i < points.size(); ++i) {
        const cv::Point2f way =
            points[i] - cv::Point2f(static_cast<float>(x), static_cast<float>(y));
        const float away = way.dot(way);
        if (away < first) {
          second = first;
          first = away;
          nearest = i;
        } else {
          second = std::min(second, away);
        }
      }
      const float to_cell = 0.5f * (std::sqrt(second) - std::sqrt(first));
      const Colour own = mix(pane, shape.colour(y, x), shape.alpha(y, x));
      const Colour rich = mix(own, own.mul(own), 0.35f) * tones[nearest];
      const float line = std::max(smoothstep(lead + 0.8f, lead - 0.4f, edges(y, x) + 0.3f),
                                  smoothstep(0.6f * lead + 0.6f, 0.6f * lead - 0.4f, to_cell));
      picture(y, x) = mix(rich, Colour(0.1f, 0.1f, 0.12f), line);
    }
  }
  return picture;
}

}  // namespace dorabooth
