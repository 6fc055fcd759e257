// The table of styles: name, caption words, painter.
#include "datasets/drawn_styles.h"

#include <algorithm>

#include "datasets/style_painters.h"
#include "src/base/error.h"

namespace dorabooth {

namespace {

constexpr float kFill = 0.86f;  // leaves room for shadows and rims

struct Row {
  const char* name;
  const char* words;
  const char* description;
  bool is_volumetric;
  Painter paint;
};

constexpr Row kRows[] = {
    {"shaded", "softly shaded", "round volume under soft light", true, paint_shaded},
    {"bevelled", "bevelled", "slanted edges along every part", true, paint_bevelled},
    {"glossy", "glossy", "round volume with highlights", true, paint_glossy},
    {"glossy-bevelled", "glossy bevelled", "slanted edges, highlights and a white band", true,
     paint_glossy_bevelled},
    {"clay", "soft clay", "matte and soft, pale colours", true, paint_clay},
    {"balloon", "inflated balloon", "every part blown up, tight and shiny", true, paint_balloon},
    {"plastic", "moulded plastic", "rounded edges and flat faces", true, paint_plastic},
    {"satin", "satin gradient", "gradients within the parts", true, paint_satin},
    {"colour-lit", "colour-lit", "matte, two lights of different hues", true, paint_colour_lit},
    {"hue-gradient", "hue-gradient", "round, parts running into neighbouring hues", true,
     paint_hue_gradient},
    {"shaded-card", "softly shaded coloured-ground", "shaded, with its shadow on a colour", true,
     paint_shaded_card},
    {"glossy-card", "glossy coloured-ground", "glossy, with its shadow on a colour", true,
     paint_glossy_card},
    {"clay-card", "soft clay coloured-ground", "clay, with its shadow on a colour", true,
     paint_clay_card},
    {"glossy-dark", "glossy dark-ground", "glossy in the dark", true, paint_glossy_dark},
    {"jelly", "translucent jelly", "light gathers inside and falls through", true, paint_jelly},
    {"glass", "clear glass", "see-through, with rims and reflections", true, paint_glass},
    {"metallic", "polished metal", "a mirror of steel, gold, copper or its own colours", true,
     paint_metallic},
    {"enamel", "enamel pin", "flat fields between raised metal lines", true, paint_enamel},
    {"embossed", "embossed paper", "relief in one sheet of paper", true, paint_embossed},
    {"cel-shaded", "cel-shaded", "hard light and shade in three tones", true, paint_cel_shaded},
    {"outlined", "outlined", "dark lines around flat parts", false, paint_outlined},
    {"line", "line-drawing", "lines alone, on white", false, paint_lines},
    {"pencilled", "pencilled", "hatching on rough paper", false, paint_pencilled},
    {"watercolour", "watercolour", "washes that run over the edges", false, paint_watercolour},
    {"neon", "neon", "bright tubes in the dark", false, paint_neon},
    {"stained-glass", "stained-glass", "panes between lead lines", false, paint_stained_glass},
    {"pixelated", "pixelated", "10 to 24 blocks a side", false, paint_pixelated},
    {"mosaic", "mosaic", "square tiles with joints", false, paint_mosaic},
    {"halftone", "halftone", "dots, larger where it is darker", false, paint_halftone},
    {"blurred", "blurred", "out of focus", false, paint_blurred},
    {"monochrome", "monochrome", "one hue from dark to light", false, paint_monochrome},
    {"silhouette", "silhouette", "one colour all over", false, paint_silhouette},
    {"sticker", "sticker", "a white rim and a shadow on a colour", false, paint_sticker},
    {"coloured-ground", "coloured-ground", "as it is, on a colour", false, paint_coloured_ground},
    {"dark", "dark-ground", "as it is, in the dark", false, paint_dark_ground},
    {"long-shadow", "long-shadow", "a shadow that runs out of the picture", false,
     paint_long_shadow},
};

const Row& row_of(const std::string& name) {
  const auto* row = std::find_if(std::begin(kRows), std::end(kRows),
                                 [&](const Row& candidate) { return candidate.name == name; });
  if (row != std::end(kRows)) return *row;
  std::vector<std::string> names;
  for (const Row& known : kRows) names.emplace_back(known.name);
  throw UsageError(concat("unknown style '", name, "'", did_you_mean(name, names)));
}

// From above, rarely from straight above.
Light drawn_light(const std::string& style, uint64_t seed, uint32_t index) {
  StyleDraws draws(seed, "light/" + style, index);
  constexpr float kTop = -1.5708f;
  const float lean = draws.between(0.15f, 1.1f);
  Light light;
  light.azimuth = kTop + (draws.chance(0.65f) ? -lean : lean);
  light.elevation = draws.between(0.65f, 1.0f);
  return light;
}

}  // namespace

const std::vector<DrawnStyle>& drawn_styles() {
  static const std::vector<DrawnStyle> list = [] {
    std::vector<DrawnStyle> styles;
    for (const Row& row : kRows)
      styles.push_back({row.name, row.words, row.description, row.is_volumetric});
    return styles;
  }();
  return list;
}

const DrawnStyle& drawn_style(const std::string& name) {
  return drawn_styles()[static_cast<size_t>(&row_of(name) - std::begin(kRows))];
}

std::string style_caption(const DrawnStyle& style, const std::string& concept_name) {
  const bool vowel = std::string("aeiou").find(style.words.front()) != std::string::npos;
  return concat(vowel ? "an " : "a ", style.words, " icon of ", concept_name);
}

float drawn_light_azimuth(const std::string& style, uint64_t seed, uint32_t index) {
  return drawn_light(style, seed, index).azimuth;
}

Image painted(const IconShape& shape, const std::string& style, uint64_t seed, uint32_t index) {
  const Row& row = row_of(style);
  StyleDraws draws(seed, "style/" + style, index);
  return image_of(row.paint(shape, drawn_light(style, seed, index), draws));
}

DrawableIcon::DrawableIcon(const Image& flat, int side)
    : shape_(std::make_unique<const IconShape>(icon_shape(flat, side, kFill))) {}
DrawableIcon::~DrawableIcon() = default;
DrawableIcon::DrawableIcon(DrawableIcon&&) noexcept = default;
DrawableIcon& DrawableIcon::operator=(DrawableIcon&&) noexcept = default;

Image DrawableIcon::in_style(const std::string& style, uint64_t seed, uint32_t index) const {
  return painted(*shape_, style, seed, index);
}

Image draw_in_style(const Image& flat, const std::string& style, uint64_t seed, uint32_t index,
                    int side) {
  return DrawableIcon(flat, side).in_style(style, seed, index);
}

}  // namespace dorabooth
