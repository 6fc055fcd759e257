// Styles in which the icon is a solid of its own colours under a light.
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "datasets/style_painters.h"

namespace dorabooth {

namespace {

// Shadows of one icon lean to red, violet or blue.
Colour drawn_shadow_tint(StyleDraws& draws) {
  const float depth = draws.between(0.0f, 1.0f);
  const Colour warm(0.9f, 0.62f, 0.72f);
  const Colour cool(0.7f, 0.64f, 0.9f);
  return mix(warm, cool, depth);
}

Material drawn_material(StyleDraws& draws, float contrast) {
  Material material;
  material.contrast = contrast * draws.between(0.85f, 1.15f);
  material.shadow_tint = drawn_shadow_tint(draws);
  material.shadow_gamma = draws.between(1.3f, 1.8f);
  material.gradient = draws.between(0.12f, 0.4f);
  material.occlusion = draws.between(0.1f, 0.3f);
  material.cast = draws.between(0.15f, 0.4f);
  material.bounce = draws.between(0.05f, 0.45f);
  material.bounce_tint = from_hsv(draws.between(0.6f, 1.05f), 0.45f, 0.75f);
  return material;
}

Relief drawn_relief(StyleDraws& draws) {
  Relief relief;
  relief.whole = draws.between(0.35f, 0.6f);
  relief.parts = draws.between(0.25f, 0.6f);
  relief.plateau = draws.chance(0.5f) ? draws.between(5.0f, 14.0f) : 0.0f;
  relief.sigma = draws.between(0.9f, 1.4f);
  return relief;
}

void add_white(ColourPlane& picture, const Plane& amount, float strength) {
  for (int y = 0; y < picture.rows; ++y) {
    for (int x = 0; x < picture.cols; ++x)
      picture(y, x) = mix(picture(y, x), kWhite, clamp01(strength * amount(y, x)));
  }
}

// The bright band across the upper half of glossy things: inside the outline, above an arc, fading
// downwards.
Plane sheen_band(const IconShape& shape, const Light& light, StyleDraws& draws) {
  const float inset = shape.pixels(draws.between(2.0f, 4.5f));
  const float lower = draws.between(0.35f, 0.55f);
  const float bend = draws.between(-0.25f, 0.25f);
  const float lean = 0.35f * std::cos(light.azimuth);
  Plane band(shape.side, shape.side, 0.0f);
  for (int y = shape.box.y; y < shape.box.br().y; ++y) {
    for (int x = shape.box.x; x < shape.box.br().x; ++x) {
      const float u =
          2.0f * static_cast<float>(x - shape.box.x) / static_cast<float>(shape.box.width) - 1.0f;
      const float v = static_cast<float>(y - shape.box.y) / static_cast<float>(shape.box.height);
      const float line = lower + bend * (u * u - 0.5f) + lean * u * 0.5f;
      if (v > line + 0.03f) continue;
      const float in = smoothstep(inset - 1.0f, inset + 1.0f, shape.to_ground(y, x));
      band(y, x) = in * smoothstep(line + 0.02f, line - 0.02f, v) *
                   (1.0f - 0.75f * clamp01(v / std::max(0.05f, line)));
    }
  }
  cv::GaussianBlur(band, band, {}, 0.6, 0.6);
  return band;
}

void add_gloss(const IconShape& shape, const Light& light, StyleDraws& draws, ColourPlane& icon) {
  const bool banded = draws.chance(0.4f);
  const float inset = shape.pixels(draws.between(3.0f, 5.5f));
  const float width = shape.pixels(draws.between(1.5f, 4.0f));
  const float crescent = draws.between(0.35f, 0.85f);
  const float strength = draws.between(0.3f, 0.6f);
  if (banded) {
    add_white(icon, sheen_band(shape, light, draws), strength);
  } else {
    add_white(icon, lit_crescent(shape, light, inset, width), crescent);
  }
}

ColourPlane on_white(const IconShape& shape, const ColourPlane& icon) {
  return laid_over(icon, shape.alpha, plain_ground(shape.side, kWhite));
}

ColourPlane on_card(const IconShape& shape, const Light& light, StyleDraws& draws,
                    const ColourPlane& icon) {
  ColourPlane ground = coloured_ground(shape, draws);
  const float far = shape.pixels(draws.between(3.0f, 8.0f));
  const float blur = shape.pixels(draws.between(3.0f, 7.0f));
  cast_on_ground(ground, shape.alpha, light.away(far), blur, draws.between(0.5f, 0.85f),
                 Colour(0.45f, 0.38f, 0.52f));
  return laid_over(icon, shape.alpha, ground);
}

ColourPlane shaded_icon(const IconShape& shape, const Light& light, StyleDraws& draws) {
  const Relief relief = drawn_relief(draws);
  const Material material = drawn_material(draws, 1.15f);
  return shaded(shape, relief_normals(shape, relief), light, material);
}

ColourPlane glossy_icon(const IconShape& shape, const Light& light, StyleDraws& draws) {
  const Relief relief = drawn_relief(draws);
  Material material = drawn_material(draws, 1.1f);
  material.highlight = draws.between(0.5f, 0.95f);
  material.shininess = draws.between(14.0f, 50.0f);
  ColourPlane icon = shaded(shape, relief_normals(shape, relief), light, material);
  add_gloss(shape, light, draws, icon);
  return icon;
}

ColourPlane clay_icon(const IconShape& shape, const Light& light, StyleDraws& draws) {
  Relief relief = drawn_relief(draws);
  relief.sigma = draws.between(1.6f, 2.4f);
  Material material = drawn_material(draws, 0.7f);
  material.light_tint = Colour(0.3f, 0.28f, 0.26f);
  material.occlusion = draws.between(0.3f, 0.45f);
  IconShape soft = shape;
  soft.colour = shape.colour.clone();  // copies of a plane share its pixels
  // Clay has less colour and no deep black.
  for (Colour& colour : soft.colour) {
    const float grey = luminance(colour);
    colour = mix(mix(colour, Colour(grey, grey, grey), 0.12f), Colour(1.0f, 0.93f, 0.9f), 0.2f);
  }
  ColourPlane icon = shaded(soft, relief_normals(soft, relief), light, material);
  Plane grain(shape.side, shape.side);
  draws.fill_normal({grain[0], grain.total()});
  cv::GaussianBlur(grain, grain, {}, 1.2, 1.2);
  for (int y = 0; y < shape.side; ++y) {
    for (int x = 0; x < shape.side; ++x) icon(y, x) *= 1.0f + 0.05f * grain(y, x);
  }
  return icon;
}

// Slanted borders along every part, flat inside.
ColourPlane bevelled_icon(const IconShape& shape, const Light& light, StyleDraws& draws,
                          float highlight) {
  const float width = shape.pixels(draws.between(3.0f, 7.0f));
  const bool parts = draws.chance(0.75f);
  Plane heights(shape.side, shape.side);
  for (int y = 0; y < shape.side; ++y) {
    for (int x = 0; x < shape.side; ++x) {
      const float inner =
          parts ? std::min(shape.to_edge(y, x), shape.to_ground(y, x)) : shape.to_ground(y, x);
      heights(y, x) = std::min(inner, width) + 0.3f * std::min(shape.to_ground(y, x), 2.0f * width);
    }
  }
  Material material = drawn_material(draws, 1.5f);
  material.gradient = draws.between(0.0f, 0.15f);
  material.occlusion = 0.1f;
  material.highlight = highlight;
  material.shininess = draws.between(10.0f, 30.0f);
  return shaded(shape, normals_of(heights, draws.between(0.7f, 1.2f), 0.8f), light, material);
}

}  // namespace

ColourPlane paint_shaded(const IconShape& shape, const Light& light, StyleDraws& draws) {
  return on_white(shape, shaded_icon(shape, light, draws));
}

ColourPlane paint_bevelled(const IconShape& shape, const Light& light, StyleDraws& draws) {
  return on_white(shape, bevelled_icon(shape, light, draws, 0.0f));
}

ColourPlane paint_glossy(const IconShape& shape, const Light& light, StyleDraws& draws) {
  return on_white(shape, glossy_icon(shape, light, draws));
}

ColourPlane paint_glossy_bevelled(const IconShape& shape, const Light& light, StyleDraws& draws) {
  ColourPlane icon = bevelled_icon(shape, light, draws, 0.8f);
  const Plane band = sheen_band(shape, light, draws);
  add_white(icon, band, draws.between(0.35f, 0.6f));
  return on_white(shape, icon);
}

ColourPlane paint_clay(const IconShape& shape, const Light& light, StyleDraws& draws) {
  return on_white(shape, clay_icon(shape, light, draws));
}

// Every part a cushion of its own, tight and shiny.
ColourPlane paint_balloon(const IconShape& shape, const Light& light, StyleDraws& draws) {
  Relief relief;
  relief.whole = draws.between(0.15f, 0.3f);
  relief.parts = draws.between(0.7f, 1.0f);
  relief.sigma = draws.between(0.8f, 1.2f);
  Material material = drawn_material(draws, 1.2f);
  material.occlusion = draws.between(0.3f, 0.5f);
  material.highlight = draws.between(0.7f, 1.0f);
  material.shininess = draws.between(30.0f, 90.0f);
  material.bounce = draws.between(0.3f, 0.6f);
  return on_white(shape, shaded(shape, relief_normals(shape, relief), light, material));
}

// Rounded edges, flat faces, one broad and faint highlight.
ColourPlane paint_plastic(const IconShape& shape, const Light& light, StyleDraws& draws) {
  Relief relief;
  relief.whole = draws.between(0.1f, 0.25f);
  relief.parts = draws.between(0.6f, 0.9f);
  relief.plateau = draws.between(2.5f, 5.0f);
  Material material = drawn_material(draws, 1.2f);
  material.highlight = draws.between(0.3f, 0.5f);
  material.shininess = draws.between(8.0f, 20.0f);
  ColourPlane icon = shaded(shape, relief_normals(shape, relief), light, material);
  const Plane line = lit_crescent(shape, light, shape.pixels(2.0f), shape.pixels(1.5f));
  add_white(icon, line, draws.between(0.2f, 0.5f));
  return on_white(shape, icon);
}

// Gradients within the parts and hardly any relief, with a faint sheen across.
ColourPlane paint_satin(const IconShape& shape, const Light& light, StyleDraws& draws) {
  Relief relief;
  relief.whole = 0.12f;
  relief.parts = 0.1f;
  relief.sigma = 2.0f;
  Material material = drawn_material(draws, 0.6f);
  material.gradient = draws.between(0.7f, 1.1f);
  material.occlusion = 0.0f;
  material.cast = draws.between(0.0f, 0.2f);
  ColourPlane icon = shaded(shape, relief_normals(shape, relief), light, material);
  const float place = draws.between(-0.2f, 0.2f);
  const float width = draws.between(0.08f, 0.16f);
  const float strength = draws.between(0.12f, 0.3f);
  for (int y = 0; y < shape.side; ++y) {
    for (int x = 0; x < shape.side; ++x) {
      const float u = static_cast<float>(x) / static_cast<float>(shape.side) - 0.5f;
      const float v = static_cast<float>(y) / static_cast<float>(shape.side) - 0.5f;
      const float away =
          (u * std::cos(light.azimuth) + v * std::sin(light.azimuth) - place) / width;
      icon(y, x) = mix(icon(y, x), kWhite, strength * std::exp(-away * away));
    }
  }
  return on_white(shape, icon);
}

// Matte, under two lights of different hues from opposite sides.
ColourPlane paint_colour_lit(const IconShape& shape, const Light& light, StyleDraws& draws) {
  const Relief relief = drawn_relief(draws);
  Material material = drawn_material(draws, draws.between(0.5f, 0.9f));
  const float hue = draws.unit();
  const float apart = draws.between(0.3f, 0.7f);
  material.light_tint = from_hsv(hue, 0.5f, 0.6f);
  material.shadow_tint = from_hsv(hue + apart, 0.35f, 0.95f);
  material.bounce_tint = from_hsv(hue + apart, 0.6f, 0.9f);
  material.bounce = draws.between(0.6f, 1.0f);
  return on_white(shape, shaded(shape, relief_normals(shape, relief), light, material));
}

// Round and soft; every part runs from one neighbouring hue to the other along the light.
ColourPlane paint_hue_gradient(const IconShape& shape, const Light& light, StyleDraws& draws) {
  const bool is_clockwise = draws.chance(0.7f);
  const float turn = draws.between(0.05f, 0.12f) * (is_clockwise ? 1.0f : -1.0f);
  const float lift = draws.between(0.05f, 0.2f);
  const float to_x = std::cos(light.azimuth);
  const float to_y = std::sin(light.azimuth);
  IconShape turned = shape;
  turned.colour = shape.colour.clone();
  for (int y = 0; y < shape.side; ++y) {
    for (int x = 0; x < shape.side; ++x) {
      const Colour hsv = to_hsv(shape.colour(y, x));
      const float along = along_light(shape, x, y, to_x, to_y);
      const Colour bent = from_hsv(hsv[0] + turn * along, hsv[1], hsv[2]);
      const Colour tint = from_hsv(0.72f + turn * along, 0.25f, 1.0f);
      turned.colour(y, x) = mix(bent, tint, lift);
    }
  }
  Relief relief = drawn_relief(draws);
  relief.sigma = draws.between(1.2f, 2.0f);
  Material material = drawn_material(draws, 0.6f);
  material.occlusion *= 0.6f;
  return on_white(shape, shaded(turned, relief_normals(turned, relief), light, material));
}

ColourPlane paint_shaded_card(const IconShape& shape, const Light& light, StyleDraws& draws) {
  return on_card(shape, light, draws, shaded_icon(shape, light, draws));
}

ColourPlane paint_glossy_card(const IconShape& shape, const Light& light, StyleDraws& draws) {
  return on_card(shape, light, draws, glossy_icon(shape, light, draws));
}

ColourPlane paint_clay_card(const IconShape& shape, const Light& light, StyleDraws& draws) {
  return on_card(shape, light, draws, clay_icon(shape, light, draws));
}

ColourPlane paint_glossy_dark(const IconShape& shape, const Light& light, StyleDraws& draws) {
  const ColourPlane icon = glossy_icon(shape, light, draws);
  return laid_over(icon, shape.alpha, dark_ground(shape, draws));
}

}  // namespace dorabooth
