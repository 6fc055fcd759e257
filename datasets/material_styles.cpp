// Styles in which the icon is made of something else than its own paint: jelly, glass, metal,
// paper.
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "datasets/style_painters.h"

namespace dorabooth {

namespace {

// Light that went through the icon: its own colours, blurred, on the ground.
ColourPlane coloured_shadow(const IconShape& shape, const Light& light, float distance, float blur,
                            float strength) {
  ColourPlane stain = laid_over(shape.colour, shape.alpha, plain_ground(shape.side, kWhite));
  const cv::Point2f offset = light.away(distance);
  cv::warpAffine(stain, stain, cv::Matx23f(1, 0, offset.x, 0, 1, offset.y), stain.size(),
                 cv::INTER_LINEAR, cv::BORDER_CONSTANT, cv::Scalar::all(1.0));
  cv::GaussianBlur(stain, stain, {}, blur, blur);
  for (Colour& colour : stain) colour = mix(kWhite, colour, strength);
  return stain;
}

// Brightness of the surroundings in a direction: sky above, a bright horizon, dark floor, a lamp.
float surroundings(float up, float side, float shift) {
  const float v = up + 0.25f * side + shift;
  const float sky = mix(0.85f, 0.5f, smoothstep(0.1f, 0.9f, v));
  const float floor = mix(0.28f, 0.68f, smoothstep(-0.05f, -0.7f, v));
  const float base = mix(floor, sky, smoothstep(-0.06f, 0.06f, v));
  const float horizon = std::exp(-90.0f * (v - 0.13f) * (v - 0.13f));
  const float lamp = std::exp(-40.0f * (v - 0.7f) * (v - 0.7f));
  return base + 0.45f * horizon + 0.6f * lamp;
}

}  // namespace

// Lighter and more saturated where light gathers behind, dark rims, a small hard highlight.
ColourPlane paint_jelly(const IconShape& shape, const Light& light, StyleDraws& draws) {
  Relief relief;
  relief.whole = draws.between(0.5f, 0.7f);
  relief.parts = draws.between(0.2f, 0.4f);
  const ColourPlane normals = relief_normals(shape, relief);
  const Colour to_light = light.direction();
  const float glow = draws.between(0.5f, 0.9f);
  const float clearness = draws.between(0.02f, 0.14f);
  const float spot = draws.between(40.0f, 120.0f);
  const float rim = draws.between(0.35f, 0.6f);
  ColourPlane icon(shape.side, shape.side);
  for (int y = 0; y < shape.side; ++y) {
    for (int x = 0; x < shape.side; ++x) {
      const Colour& n = normals(y, x);
      const Colour own = mix(shape.colour(y, x), kWhite, clearness);
      const float behind = clamp01(0.25f - (n[0] * to_light[0] + n[1] * to_light[1]));
      const float turned = (1.0f - n[2]) * (1.0f - n[2]);
      Colour colour = mix(own, own.mul(own).mul(Colour(0.9f, 0.8f, 0.9f)),
                          clamp01(rim * 2.0f * turned + 0.35f * (1.0f - behind)));
      colour = screened(colour, own * (glow * behind));
      const float facing = std::max(0.0f, n.dot(to_light));
      const float shine = 0.95f * std::pow(facing, spot) + 0.18f * std::pow(facing, 6.0f);
      icon(y, x) = mix(colour, kWhite, clamp01(shine));
    }
  }
  const float distance = shape.pixels(draws.between(2.0f, 5.0f));
  const float blur = shape.pixels(draws.between(2.5f, 5.0f));
  const ColourPlane ground =
      coloured_shadow(shape, light, distance, blur, draws.between(0.3f, 0.6f));
  return laid_over(icon, shape.alpha, ground);
}

// Clear in the middle, coloured towards the edges, white rims and slanted reflections.
ColourPlane paint_glass(const IconShape& shape, const Light& light, StyleDraws& draws) {
  Relief relief;
  relief.whole = draws.between(0.3f, 0.5f);
  relief.parts = draws.between(0.3f, 0.6f);
  relief.plateau = draws.between(3.0f, 7.0f);
  const ColourPlane normals = relief_normals(shape, relief);
  const Plane crescent = lit_crescent(shape, light, shape.pixels(2.0f), shape.pixels(1.6f));
  const float clear = draws.between(0.35f, 0.6f);
  const float period = shape.pixels(draws.between(40.0f, 70.0f));
  const float phase = draws.unit();
  const float stripe = draws.between(0.15f, 0.35f);
  ColourPlane ground = coloured_ground(shape, draws);
  cast_on_ground(ground, shape.alpha, light.away(shape.pixels(4.0f)), shape.pixels(4.0f), 0.4f,
                 Colour(0.6f, 0.6f, 0.7f));
  ColourPlane icon(shape.side, shape.side);
  for (int y = 0; y < shape.side; ++y) {
    for (int x = 0; x < shape.side; ++x) {
      const Colour& n = normals(y, x);
      const float slanted = 1.0f - n[2];
      const int u = std::clamp(x + static_cast<int>(std::lround(8.0f * n[0])), 0, shape.side - 1);
      const int v = std::clamp(y + static_cast<int>(std::lround(8.0f * n[1])), 0, shape.side - 1);
      const float body = clamp01(1.0f - clear + 0.6f * slanted);
      Colour colour = mix(mix(ground(v, u), kWhite, 0.35f), shape.colour(y, x), body);
      const float facing = n[0] * std::cos(light.azimuth) + n[1] * std::sin(light.azimuth);
      colour = mix(colour, kWhite, clamp01(0.7f * std::max(0.0f, facing) * slanted));
      colour *= 1.0f - 0.35f * std::max(0.0f, -facing) * slanted;
      const float at = (static_cast<float>(x) + 0.6f * static_cast<float>(y)) / period + phase;
      const float in_stripe = at - std::floor(at);
      const float band = smoothstep(0.0f, 0.03f, in_stripe) * smoothstep(0.4f, 0.37f, in_stripe);
      colour = mix(colour, kWhite, stripe * band);
      icon(y, x) = mix(colour, kWhite, clamp01(0.9f * crescent(y, x)));
    }
  }
  return laid_over(icon, shape.alpha, ground);
}

// A mirror of drawn surroundings in steel, gold, copper or the icon's own colours.
ColourPlane paint_metallic(const IconShape& shape, const Light& light, StyleDraws& draws) {
  Relief relief;
  relief.whole = draws.between(0.25f, 0.5f);
  relief.parts = draws.between(0.4f, 0.7f);
  relief.plateau = draws.chance(0.5f) ? draws.between(4.0f, 9.0f) : 0.0f;
  relief.sigma = draws.between(1.0f, 1.6f);
  const ColourPlane normals = relief_normals(shape, relief);
  const Colour metals[] = {{0.86f, 0.88f, 0.92f}, {1.0f, 0.8f, 0.36f}, {0.97f, 0.66f, 0.5f}};
  const int kind = draws.integer(6);
  const Colour metal = metals[std::min(kind, 2)];
  const float own_share = kind > 2 ? draws.between(0.75f, 0.95f) : draws.between(0.1f, 0.3f);
  const float shift = draws.between(-0.15f, 0.15f);
  const float to_side = std::cos(light.azimuth);
  const float edge_falloff = -0.7f / shape.pixels(1.0f);
  ColourPlane icon(shape.side, shape.side);
  for (int y = 0; y < shape.side; ++y) {
    for (int x = 0; x < shape.side; ++x) {
      const Colour& n = normals(y, x);
      const float up = -2.0f * n[2] * n[1];
      const float side = 2.0f * n[2] * n[0] * to_side;
      const float place = 0.35f * (0.5f - static_cast<float>(y) / static_cast<float>(shape.side));
      const float seen = surroundings(up + place, side, shift);
      const float grey = 0.5f + 0.5f * luminance(shape.colour(y, x));
      const Colour base = mix(metal * grey, shape.colour(y, x), own_share);
      const float edge = 1.0f - 0.5f * std::exp(edge_falloff * shape.to_edge(y, x));
      const Colour dark = base.mul(base) * (1.5f * std::min(seen, 0.8f) * edge);
      const Colour lit = base * (1.25f * std::min(seen, 0.85f) * edge);
      icon(y, x) =
          mix(mix(dark, lit, clamp01(seen * 1.3f)), kWhite, clamp01(0.9f * (seen - 0.78f)));
    }
  }
  return laid_over(icon, shape.alpha, plain_ground(shape.side, kWhite));
}

// Relief in a sheet of one paper, without other colours.
ColourPlane paint_embossed(const IconShape& shape, const Light& light, StyleDraws& draws) {
  const float hue = draws.unit();
  const float tint = draws.chance(0.4f) ? draws.between(0.08f, 0.3f) : draws.between(0.0f, 0.06f);
  const Colour paper = from_hsv(hue, tint, draws.between(0.84f, 0.93f));
  const float width = shape.pixels(draws.between(2.5f, 4.5f));
  const float sunk = draws.chance(0.3f) ? -1.0f : 1.0f;
  Plane heights(shape.side, shape.side);
  for (int y = 0; y < shape.side; ++y) {
    for (int x = 0; x < shape.side; ++x) {
      const float outer = std::min(shape.to_ground(y, x), width);
      const float groove = std::min(shape.to_edge(y, x), 0.5f * width);
      heights(y, x) = sunk * (outer + 1.1f * groove * (shape.mask(y, x) != 0 ? 1.0f : 0.0f));
    }
  }
  const ColourPlane normals = normals_of(heights, draws.between(0.6f, 0.9f), 1.1f);
  Plane grain(shape.side, shape.side);
  draws.fill_normal({grain[0], grain.total()});
  cv::GaussianBlur(grain, grain, {}, 0.7, 0.7);
  const Colour to_light = light.direction();
  ColourPlane picture(shape.side, shape.side);
  for (int y = 0; y < shape.side; ++y) {
    for (int x = 0; x < shape.side; ++x) {
      const float tone = 1.3f * (normals(y, x).dot(to_light) - to_light[2]) + 0.02f * grain(y, x);
      const Colour colour = paper * (1.0f + 0.75f * std::min(0.0f, tone));
      picture(y, x) = mix(colour, kWhite, clamp01(1.2f * tone));
    }
  }
  return picture;
}

// Flat glossy fields between raised metal lines.
ColourPlane paint_enamel(const IconShape& shape, const Light& light, StyleDraws& draws) {
  const float width = shape.pixels(draws.between(1.4f, 2.2f));
  const bool gold = draws.chance(0.6f);
  const Colour metal = gold ? Colour(0.98f, 0.8f, 0.4f) : Colour(0.88f, 0.9f, 0.94f);
  Plane wire(shape.side, shape.side);
  for (int y = 0; y < shape.side; ++y) {
    for (int x = 0; x < shape.side; ++x) {
      const float away = std::min(shape.to_edge(y, x), shape.to_ground(y, x) - 1.0f);
      wire(y, x) = smoothstep(width + 0.7f, width - 0.7f, away);
    }
  }
  Plane raised;
  cv::GaussianBlur(wire, raised, {}, 0.8, 0.8);
  const ColourPlane normals = normals_of(raised, 3.0f, 0.6f);
  const Colour to_light = light.direction();
  const float pool = draws.between(0.15f, 0.35f);
  ColourPlane icon(shape.side, shape.side);
  for (int y = 0; y < shape.side; ++y) {
    for (int x = 0; x < shape.side; ++x) {
      const float tone = normals(y, x).dot(to_light) - to_light[2];
      const Colour bright = mix(metal * clamp01(0.75f + 0.9f * tone), kWhite, clamp01(tone));
      const float across = (static_cast<float>(x) * std::cos(light.azimuth) +
                            static_cast<float>(y) * std::sin(light.azimuth)) /
                           static_cast<float>(shape.side);
      Colour enamel = shape.colour(y, x);
      enamel = mix(enamel, kWhite, pool * clamp01(0.5f + across));
      enamel *= 1.0f + 0.8f * std::min(0.0f, tone);
      icon(y, x) = mix(enamel, bright, wire(y, x));
    }
  }
  ColourPlane ground = plain_ground(shape.side, kWhite);
  cast_on_ground(ground, shape.alpha, light.away(shape.pixels(2.0f)), shape.pixels(1.5f), 0.45f,
                 Colour(0.55f, 0.55f, 0.6f));
  return laid_over(icon, shape.alpha, ground);
}

}  // namespace dorabooth
