// Shapes are laid over one another as layers; the outcome is an icon like any other and is handed
// to the styles' painters.
#include "datasets/drawn_shapes.h"

#include <cmath>
#include <numbers>
#include <opencv2/imgproc.hpp>

#include "datasets/drawn_styles.h"
#include "datasets/style_painters.h"
#include "src/base/error.h"

namespace dorabooth {

namespace {

constexpr int kFractionBits = 4;  // of OpenCV's coordinates
constexpr auto kTurn = static_cast<float>(2.0 * std::numbers::pi);

using Points = std::vector<cv::Point>;

cv::Point fine(float x, float y) {
  constexpr float kOne = 1 << kFractionBits;
  return {static_cast<int>(std::lround(x * kOne)), static_cast<int>(std::lround(y * kOne))};
}

// What all kinds of shape are made from: a place, two half axes, a turn.
struct Frame {
  float x = 0.0f;
  float y = 0.0f;
  float width = 0.0f;
  float height = 0.0f;
  float turn = 0.0f;

  cv::Point at(float u, float v) const {
    const float px = u * width;
    const float py = v * height;
    return fine(x + px * std::cos(turn) - py * std::sin(turn),
                y + px * std::sin(turn) + py * std::cos(turn));
  }
};

Frame drawn_frame(StyleDraws& draws, float side, bool is_first) {
  Frame frame;
  const float low = is_first ? 0.2f : 0.03f;
  const float high = is_first ? 0.42f : 0.25f;
  frame.width = side * draws.between(low, high);
  frame.height = draws.chance(0.35f) ? frame.width : side * draws.between(low, high);
  const float reach = is_first ? 0.08f : 0.32f;
  frame.x = side * (0.5f + draws.between(-reach, reach));
  frame.y = side * (0.5f + draws.between(-reach, reach));
  frame.turn = draws.chance(0.4f) ? 0.0f : draws.between(0.0f, kTurn);
  return frame;
}

// |u|^p + |v|^p = 1: an ellipse at 2, a rounded box above, a star with four points below 1.
Points rounded(const Frame& frame, float power) {
  constexpr int kCorners = 48;
  Points points;
  for (int i = 0; i < kCorners; ++i) {
    const float angle = kTurn * static_cast<float>(i) / kCorners;
    const auto bent = [&](float value) {
      return std::copysign(std::pow(std::abs(value), 2.0f / power), value);
    };
    points.push_back(frame.at(bent(std::cos(angle)), bent(std::sin(angle))));
  }
  return points;
}

Points polygon(const Frame& frame, StyleDraws& draws) {
  const int corners = 3 + draws.integer(5);
  const float uneven = draws.chance(0.5f) ? draws.between(0.0f, 0.5f) : 0.0f;
  Points points;
  for (int i = 0; i < corners; ++i) {
    const float angle = kTurn * static_cast<float>(i) / static_cast<float>(corners);
    const float radius = 1.0f - uneven * draws.unit();
    points.push_back(frame.at(radius * std::cos(angle), radius * std::sin(angle)));
  }
  return points;
}

Points star(const Frame& frame, StyleDraws& draws) {
  const int rays = 4 + draws.integer(6);
  const float inner = draws.between(0.35f, 0.8f);
  Points points;
  for (int i = 0; i < 2 * rays; ++i) {
    const float angle = kTurn * static_cast<float>(i) / static_cast<float>(2 * rays);
    const float radius = i % 2 == 0 ? 1.0f : inner;
    points.push_back(frame.at(radius * std::cos(angle), radius * std::sin(angle)));
  }
  return points;
}

// A bent line.
Points curve(const Frame& frame, StyleDraws& draws) {
  constexpr int kSteps = 20;
  const float waves = draws.between(0.2f, 1.5f);
  const float swing = draws.between(0.0f, 0.8f);
  Points points;
  for (int i = 0; i <= kSteps; ++i) {
    const float u = 2.0f * static_cast<float>(i) / kSteps - 1.0f;
    points.push_back(frame.at(u, swing * std::sin(u * waves * kTurn * 0.5f)));
  }
  return points;
}

// 255 inside, soft by a pixel at the edge.
cv::Mat_<uint8_t> drawn_layer(StyleDraws& draws, int side, bool is_first) {
  const auto length = static_cast<float>(side);
  const Frame frame = drawn_frame(draws, length, is_first);
  cv::Mat_<uint8_t> layer(side, side, uint8_t{0});
  const float kind = draws.unit();
  const auto thick = [&] {
    return std::max(1, static_cast<int>(std::lround(length * draws.between(0.01f, 0.07f))));
  };
  const auto fill = [&](const Points& points) {
    cv::fillPoly(layer, std::vector<Points>{points}, cv::Scalar(255), cv::LINE_AA, kFractionBits);
  };
  if (kind < 0.3f) {
    fill(rounded(frame, 2.0f));
  } else if (kind < 0.5f) {
    fill(rounded(frame, draws.between(3.0f, 9.0f)));
  } else if (kind < 0.68f) {
    fill(polygon(frame, draws));
  } else if (kind < 0.8f) {
    fill(star(frame, draws));
  } else {
    const bool is_ring = draws.chance(0.35f);
    const Points points = is_ring ? rounded(frame, 2.0f) : curve(frame, draws);
    const int width = thick();
    cv::polylines(layer, std::vector<Points>{points}, is_ring, cv::Scalar(255), width, cv::LINE_AA,
                  kFractionBits);
  }
  return layer;
}

Colour drawn_colour(StyleDraws& draws) {
  const float kind = draws.unit();
  const float hue = draws.unit();
  if (kind < 0.1f) return from_hsv(hue, 0.06f, draws.between(0.85f, 0.97f));
  if (kind < 0.2f) return from_hsv(hue, 0.3f, draws.between(0.03f, 0.3f));
  const float richness = draws.between(0.25f, 1.0f);
  return from_hsv(hue, richness, draws.between(0.4f, 1.0f));
}

// The paint of one shape: a colour, often running into another along a line, at times striped.
struct Paint {
  Colour from;
  Colour to;
  float along_x = 0.0f;
  float along_y = 0.0f;
  float period = 0.0f;  // of the stripes in pixels; 0: none

  Colour at(float u, float v, float side) const {
    const float along = u * along_x + v * along_y;
    if (period <= 0.0f) return mix(from, to, clamp01(0.5f + along));
    const float at_stripe = along * side / period;
    const float in_stripe = std::abs(2.0f * (at_stripe - std::floor(at_stripe)) - 1.0f);
    const float soft = 2.0f / period;
    return mix(from, to, smoothstep(0.5f - soft, 0.5f + soft, in_stripe));
  }
};

Paint drawn_paint(StyleDraws& draws, int side) {
  Paint paint;
  paint.from = drawn_colour(draws);
  const float kind = draws.unit();
  const float angle = draws.between(0.0f, kTurn);
  const Colour other = drawn_colour(draws);
  const float lightness = draws.between(0.6f, 1.3f);
  const float period = static_cast<float>(side) * draws.between(0.04f, 0.15f);
  paint.to = paint.from;
  if (kind < 0.3f) paint.to = paint.from * lightness;
  if (kind > 0.85f) paint.to = other;
  if (kind > 0.92f) paint.period = period;
  for (int i = 0; i < 3; ++i) paint.to[i] = clamp01(paint.to[i]);
  paint.along_x = 1.5f * std::cos(angle);
  paint.along_y = 1.5f * std::sin(angle);
  return paint;
}

IconShape drawn_icon(StyleDraws& draws, int side) {
  ColourPlane colour(side, side, kWhite);
  Plane alpha(side, side, 0.0f);
  cv::Mat_<int> regions(side, side, 0);
  const int shapes = 2 + draws.integer(8);
  const auto length = static_cast<float>(side);
  for (int i = 0; i < shapes; ++i) {
    const cv::Mat_<uint8_t> layer = drawn_layer(draws, side, i == 0);
    const Paint paint = drawn_paint(draws, side);
    for (int y = 1; y + 1 < side; ++y) {
      for (int x = 1; x + 1 < side; ++x) {
        if (layer(y, x) == 0) continue;
        const float cover = static_cast<float>(layer(y, x)) / 255.0f;
        const Colour own = paint.at(static_cast<float>(x) / length - 0.5f,
                                    static_cast<float>(y) / length - 0.5f, length);
        const float before = alpha(y, x);
        const float after = cover + before * (1.0f - cover);
        colour(y, x) = mix(colour(y, x), own, cover / after);
        alpha(y, x) = after;
        if (cover > 0.5f) regions(y, x) = i + 1;
      }
    }
  }
  return shape_of_parts(colour, alpha, regions);
}

std::string drawn_style_name(StyleDraws& draws, bool is_volumetric) {
  std::vector<std::string> names;
  for (const DrawnStyle& style : drawn_styles()) {
    if (style.is_volumetric == is_volumetric) names.push_back(style.name);
  }
  return names[static_cast<size_t>(draws.integer(static_cast<int>(names.size())))];
}

Image flat_picture(const IconShape& shape, StyleDraws& draws) {
  ColourPlane ground = plain_ground(shape.side, kWhite);
  if (draws.chance(0.5f)) ground = coloured_ground(shape, draws);
  if (draws.chance(0.3f)) {
    const float blur = 0.04f * static_cast<float>(shape.side);
    cast_on_ground(ground, shape.alpha, {0.5f * blur, blur}, blur, 0.6f, Colour(0.5f, 0.5f, 0.55f));
  }
  return image_of(laid_over(shape.colour, shape.alpha, ground));
}

}  // namespace

Image draw_shapes(int side, uint64_t seed, uint32_t index) {
  if (side < 32 || side > 1024) fail("pictures of shapes have a side of 32 to 1024, not ", side);
  cv::setNumThreads(1);
  StyleDraws draws(seed, "shapes", index);
  const float kind = draws.unit();
  const std::string style = drawn_style_name(draws, kind < 0.8f);
  const IconShape shape = drawn_icon(draws, side);
  if (kind < 0.25f) return flat_picture(shape, draws);
  return painted(shape, style, seed, index);
}

}  // namespace dorabooth
