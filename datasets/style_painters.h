// The styles' painters, one function each, as the table in drawn_styles.cpp names them.
#pragma once

#include <string>

#include "datasets/drawn_ground.h"
#include "datasets/height_field.h"
#include "datasets/icon_shape.h"
#include "datasets/style_draws.h"
#include "datasets/volume_shading.h"

namespace dorabooth {

// A finished picture of the shape's side.
using Painter = ColourPlane (*)(const IconShape& shape, const Light& light, StyleDraws& draws);

// In one of drawn_styles(); see DrawableIcon::in_style.
Image painted(const IconShape& shape, const std::string& style, uint64_t seed, uint32_t index);

// volumetric_styles.cpp
ColourPlane paint_shaded(const IconShape& shape, const Light& light, StyleDraws& draws);
ColourPlane paint_bevelled(const IconShape& shape, const Light& light, StyleDraws& draws);
ColourPlane paint_glossy(const IconShape& shape, const Light& light, StyleDraws& draws);
ColourPlane paint_glossy_bevelled(const IconShape& shape, const Light& light, StyleDraws& draws);
ColourPlane paint_clay(const IconShape& shape, const Light& light, StyleDraws& draws);
ColourPlane paint_balloon(const IconShape& shape, const Light& light, StyleDraws& draws);
ColourPlane paint_plastic(const IconShape& shape, const Light& light, StyleDraws& draws);
ColourPlane paint_satin(const IconShape& shape, const Light& light, StyleDraws& draws);
ColourPlane paint_colour_lit(const IconShape& shape, const Light& light, StyleDraws& draws);
ColourPlane paint_hue_gradient(const IconShape& shape, const Light& light, StyleDraws& draws);
ColourPlane paint_shaded_card(const IconShape& shape, const Light& light, StyleDraws& draws);
ColourPlane paint_glossy_card(const IconShape& shape, const Light& light, StyleDraws& draws);
ColourPlane paint_clay_card(const IconShape& shape, const Light& light, StyleDraws& draws);
ColourPlane paint_glossy_dark(const IconShape& shape, const Light& light, StyleDraws& draws);

// material_styles.cpp
ColourPlane paint_jelly(const IconShape& shape, const Light& light, StyleDraws& draws);
ColourPlane paint_glass(const IconShape& shape, const Light& light, StyleDraws& draws);
ColourPlane paint_metallic(const IconShape& shape, const Light& light, StyleDraws& draws);
ColourPlane paint_embossed(const IconShape& shape, const Light& light, StyleDraws& draws);
ColourPlane paint_enamel(const IconShape& shape, const Light& light, StyleDraws& draws);

// line_styles.cpp
ColourPlane paint_outlined(const IconShape& shape, const Light& light, StyleDraws& draws);
ColourPlane paint_lines(const IconShape& shape, const Light& light, StyleDraws& draws);
ColourPlane paint_pencilled(const IconShape& shape, const Light& light, StyleDraws& draws);
ColourPlane paint_watercolour(const IconShape& shape, const Light& light, StyleDraws& draws);
ColourPlane paint_neon(const IconShape& shape, const Light& light, StyleDraws& draws);
ColourPlane paint_stained_glass(const IconShape& shape, const Light& light, StyleDraws& draws);

// pattern_styles.cpp
ColourPlane paint_pixelated(const IconShape& shape, const Light& light, StyleDraws& draws);
ColourPlane paint_mosaic(const IconShape& shape, const Light& light, StyleDraws& draws);
ColourPlane paint_halftone(const IconShape& shape, const Light& light, StyleDraws& draws);
ColourPlane paint_blurred(const IconShape& shape, const Light& light, StyleDraws& draws);

// flat_styles.cpp
ColourPlane paint_monochrome(const IconShape& shape, const Light& light, StyleDraws& draws);
ColourPlane paint_silhouette(const IconShape& shape, const Light& light, StyleDraws& draws);
ColourPlane paint_sticker(const IconShape& shape, const Light& light, StyleDraws& draws);
ColourPlane paint_coloured_ground(const IconShape& shape, const Light& light, StyleDraws& draws);
ColourPlane paint_dark_ground(const IconShape& shape, const Light& light, StyleDraws& draws);
ColourPlane paint_long_shadow(const IconShape& shape, const Light& light, StyleDraws& draws);
ColourPlane paint_cel_shaded(const IconShape& shape, const Light& light, StyleDraws& draws);

}  // namespace dorabooth
