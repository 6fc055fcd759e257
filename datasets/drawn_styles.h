// Renderings of a flat icon (on white) in many styles, drawn by program: solids under a light,
// materials, lines, patterns, grounds.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "src/base/image.h"

namespace dorabooth {

struct DrawnStyle {
  std::string name;            // "glossy-bevelled"
  std::string words;           // for captions: "a {words} icon of {concept}"
  std::string description;     // what it looks like
  bool is_volumetric = false;  // shaded by a drawn light
};

// In the order of the help text; names are unique.
const std::vector<DrawnStyle>& drawn_styles();
// Throws UsageError with the nearest name.
const DrawnStyle& drawn_style(const std::string& name);

// "a glossy icon of grinning face", "an outlined icon of …".
std::string style_caption(const DrawnStyle& style, const std::string& concept_name);

// Where the light of a picture comes from: radians from the right, clockwise (-pi/2: from the top).
float drawn_light_azimuth(const std::string& style, uint64_t seed, uint32_t index);

struct IconShape;

// An icon taken apart once, to be drawn in several styles. White that is connected to the picture's
// border is ground.
class DrawableIcon {
 public:
  // Throws if the picture is white all over; the pictures drawn are side x side pixels.
  explicit DrawableIcon(const Image& flat, int side = 128);
  ~DrawableIcon();
  DrawableIcon(DrawableIcon&&) noexcept;
  DrawableIcon& operator=(DrawableIcon&&) noexcept;

  // What varies within a style (light, ground, widths) is a function of (seed, style, index) alone.
  Image in_style(const std::string& style, uint64_t seed, uint32_t index) const;

 private:
  std::unique_ptr<const IconShape> shape_;
};

Image draw_in_style(const Image& flat, const std::string& style, uint64_t seed, uint32_t index,
                    int side = 128);

}  // namespace dorabooth
