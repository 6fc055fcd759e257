// Styles made of blocks, tiles or dots, and soft focus.
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "datasets/style_painters.h"

namespace dorabooth {

// 10 to 24 blocks a side, in few shades.
ColourPlane paint_pixelated(const IconShape& shape, const Light&, StyleDraws& draws) {
  const int blocks = 10 + draws.integer(15);
  const float shades = draws.chance(0.5f) ? 5.0f : 255.0f;
  ColourPlane small;
  cv::resize(shape.flat, small, {blocks, blocks}, 0, 0, cv::INTER_AREA);
  for (Colour& colour : small) {
    for (int i = 0; i < 3; ++i) colour[i] = std::round(colour[i] * shades) / shades;
  }
  ColourPlane picture;
  cv::resize(small, picture, shape.flat.size(), 0, 0, cv::INTER_NEAREST);
  return picture;
}

// Square tiles with joints, each of one slightly uneven colour.
ColourPlane paint_mosaic(const IconShape& shape, const Light&, StyleDraws& draws) {
  const int tiles = 14 + draws.integer(11);
  const float joint = draws.between(0.1f, 0.18f);
  const Colour mortar = mix(Colour(0.55f, 0.52f, 0.5f), kWhite, draws.between(0.0f, 0.7f));
  ColourPlane small;
  cv::resize(shape.flat, small, {tiles, tiles}, 0, 0, cv::INTER_AREA);
  Plane uneven(tiles, tiles);
  draws.fill_uniform({uneven[0], uneven.total()});
  ColourPlane picture(shape.side, shape.side);
  for (int y = 0; y < shape.side; ++y) {
    for (int x = 0; x < shape.side; ++x) {
      const float u = static_cast<float>(x * tiles) / static_cast<float>(shape.side);
      const float v = static_cast<float>(y * tiles) / static_cast<float>(shape.side);
      const int column = static_cast<int>(u);
      const int row = static_cast<int>(v);
      const float in_u = std::abs(2.0f * (u - std::floor(u)) - 0.85f);
      const float in_v = std::abs(2.0f * (v - std::floor(v)) - 0.85f);
      const float edge = std::max(in_u, in_v);
      const float tile = smoothstep(1.0f - joint + 0.1f, 1.0f - joint - 0.1f, edge);
      const Colour colour = small(row, column) * (0.9f + 0.14f * uneven(row, column));
      picture(y, x) = mix(mortar, colour, tile);
    }
  }
  return picture;
}

// Round dots on a turned grid, larger where the icon is darker, in its colours or in one ink.
ColourPlane paint_halftone(const IconShape& shape, const Light&, StyleDraws& draws) {
  const float period = shape.pixels(draws.between(4.0f, 7.0f));
  const float angle = draws.between(0.2f, 1.3f);
  const bool coloured = draws.chance(0.6f);
  const Colour ink = from_hsv(draws.unit(), 0.8f, 0.35f);
  const float c = std::cos(angle);
  const float s = std::sin(angle);
  ColourPlane picture(shape.side, shape.side);
  const auto clamped = [&](float at) {
    return std::clamp(static_cast<int>(std::lround(at)), 0, shape.side - 1);
  };
  for (int y = 0; y < shape.side; ++y) {
    for (int x = 0; x < shape.side; ++x) {
      const auto px = static_cast<float>(x);
      const auto py = static_cast<float>(y);
      const float u = std::round((c * px + s * py) / period) * period;
      const float v = std::round((c * py - s * px) / period) * period;
      const float middle_x = c * u - s * v;
      const float middle_y = s * u + c * v;
      const int column = clamped(middle_x);
      const int row = clamped(middle_y);
      const float cover = shape.alpha(row, column);
      const float dark = 1.0f - luminance(shape.colour(row, column));
      const float wanted = cover * (coloured ? 0.45f + 0.55f * dark : 0.12f + 0.88f * dark);
      const float radius = 0.68f * period * std::sqrt(wanted);
      const float away = std::hypot(px - middle_x, py - middle_y);
      const float dot = wanted <= 0.0f ? 0.0f : smoothstep(radius + 0.7f, radius - 0.7f, away);
      picture(y, x) = mix(kWhite, coloured ? shape.colour(row, column) : ink, dot);
    }
  }
  return picture;
}

ColourPlane paint_blurred(const IconShape& shape, const Light&, StyleDraws& draws) {
  const float sigma = shape.pixels(draws.between(2.0f, 4.5f));
  ColourPlane picture;
  cv::GaussianBlur(shape.flat, picture, {}, sigma, sigma, cv::BORDER_REPLICATE);
  return picture;
}

}  // namespace dorabooth
