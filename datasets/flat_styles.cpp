// Styles that keep the icon flat and change its colours or what it stands on.
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "datasets/style_painters.h"

namespace dorabooth {

// One hue from dark to light.
ColourPlane paint_monochrome(const IconShape& shape, const Light&, StyleDraws& draws) {
  const float hue = draws.unit();
  const float richness = draws.between(0.5f, 0.9f);
  ColourPlane picture(shape.side, shape.side);
  for (int y = 0; y < shape.side; ++y) {
    for (int x = 0; x < shape.side; ++x) {
      const float grey = luminance(shape.colour(y, x));
      const Colour dark = from_hsv(hue, richness, 0.2f + 0.75f * std::min(1.0f, grey * 1.4f));
      const Colour colour = mix(dark, kWhite, 0.8f * smoothstep(0.45f, 1.0f, grey));
      picture(y, x) = mix(kWhite, colour, shape.alpha(y, x));
    }
  }
  return picture;
}

ColourPlane paint_silhouette(const IconShape& shape, const Light&, StyleDraws& draws) {
  const float hue = draws.unit();
  const float richness = draws.chance(0.3f) ? 0.0f : draws.between(0.4f, 1.0f);
  const Colour colour = from_hsv(hue, richness, draws.between(0.05f, 0.65f));
  return laid_over(plain_ground(shape.side, colour), shape.alpha, plain_ground(shape.side, kWhite));
}

// A white rim, and a shadow below it, on a coloured ground.
ColourPlane paint_sticker(const IconShape& shape, const Light& light, StyleDraws& draws) {
  const float rim = shape.pixels(draws.between(3.0f, 6.0f));
  Plane to_icon;
  cv::distanceTransform(cv::Mat(shape.mask == 0), to_icon, cv::DIST_L2, cv::DIST_MASK_5);
  cv::GaussianBlur(to_icon, to_icon, {}, 1.0, 1.0);
  Plane paper(shape.side, shape.side);
  for (int y = 0; y < shape.side; ++y) {
    for (int x = 0; x < shape.side; ++x)
      paper(y, x) = smoothstep(rim + 0.8f, rim - 0.8f, to_icon(y, x));
  }
  ColourPlane ground = coloured_ground(shape, draws);
  const float far = shape.pixels(draws.between(1.0f, 3.5f));
  cast_on_ground(ground, paper, light.away(far), shape.pixels(2.0f), 0.7f,
                 Colour(0.5f, 0.48f, 0.55f));
  const ColourPlane sheet = laid_over(plain_ground(shape.side, kWhite), paper, ground);
  return laid_over(shape.colour, shape.alpha, sheet);
}

ColourPlane paint_coloured_ground(const IconShape& shape, const Light&, StyleDraws& draws) {
  return laid_over(shape.colour, shape.alpha, coloured_ground(shape, draws));
}

// Dark ground; what is nearly black in the icon is lifted so that it can be seen.
ColourPlane paint_dark_ground(const IconShape& shape, const Light&, StyleDraws& draws) {
  const float dimmed = draws.between(0.82f, 0.95f);
  ColourPlane icon(shape.side, shape.side);
  for (int y = 0; y < shape.side; ++y) {
    for (int x = 0; x < shape.side; ++x) {
      const Colour& own = shape.colour(y, x);
      const float lift = 0.45f * smoothstep(0.35f, 0.0f, luminance(own));
      icon(y, x) = mix(own, kWhite, lift) * dimmed;
    }
  }
  return laid_over(icon, shape.alpha, dark_ground(shape, draws));
}

// The shadow runs out of the picture at 45 degrees, all in one tone.
ColourPlane paint_long_shadow(const IconShape& shape, const Light& light, StyleDraws& draws) {
  const int step = std::cos(light.azimuth) < 0.0f ? 1 : -1;
  Plane shadow = shape.alpha.clone();
  for (int y = 1; y < shape.side; ++y) {
    for (int x = 0; x < shape.side; ++x) {
      const int from = x - step;
      if (from >= 0 && from < shape.side)
        shadow(y, x) = std::max(shadow(y, x), shadow(y - 1, from));
    }
  }
  ColourPlane ground = coloured_ground(shape, draws);
  const float depth = draws.between(0.62f, 0.8f);
  cast_on_ground(ground, shadow, {}, 0.0f, 1.0f, Colour(depth, depth, depth * 1.05f));
  return laid_over(shape.colour, shape.alpha, ground);
}

// Light and hard shade in two or three steps, as in a comic.
ColourPlane paint_cel_shaded(const IconShape& shape, const Light& light, StyleDraws& draws) {
  Relief relief;
  relief.whole = draws.between(0.45f, 0.65f);
  relief.parts = draws.between(0.1f, 0.25f);
  relief.sigma = 2.0f;
  const ColourPlane normals = relief_normals(shape, relief);
  const Colour to_light = light.direction();
  const float dark_from = draws.between(-0.5f, -0.3f);
  const float light_from = draws.between(0.05f, 0.15f);
  const Colour tint(0.85f, 0.68f, 0.82f);
  ColourPlane icon(shape.side, shape.side);
  for (int y = 0; y < shape.side; ++y) {
    for (int x = 0; x < shape.side; ++x) {
      const float tone = normals(y, x).dot(to_light) - to_light[2];
      const Colour& own = shape.colour(y, x);
      Colour colour =
          mix(own, own.mul(tint), smoothstep(dark_from + 0.05f, dark_from - 0.05f, tone));
      colour = mix(colour, screened(own, Colour(0.4f, 0.38f, 0.34f)),
                   smoothstep(light_from - 0.02f, light_from + 0.02f, tone));
      icon(y, x) = colour;
    }
  }
  return laid_over(icon, shape.alpha, plain_ground(shape.side, kWhite));
}

}  // namespace dorabooth
