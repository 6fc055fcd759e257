// Light on a relief: diffuse light with rich shadows, highlights, occlusion at the edges of parts
// and the shadows that smaller parts cast on larger ones (Blinn 1977 for the highlights).
#pragma once

#include "datasets/drawn_colour.h"
#include "datasets/icon_shape.h"

namespace dorabooth {

// Where the light comes from, for an eye above the middle of the picture.
struct Light {
  float azimuth = -2.0f;   // radians from the right, clockwise: -pi/2 is the top
  float elevation = 0.8f;  // radians above the picture's plane
  // So far from the light, in the picture's plane.
  cv::Point2f away(float distance) const;
  Colour direction() const;  // unit vector to the light: right, down, to the eye
};

struct Relief {
  float whole = 0.6f;    // depth of the icon as one cushion
  float parts = 0.5f;    // depth of every part as its own
  float plateau = 0.0f;  // see inflated(); of the parts
  float sigma = 1.0f;    // smoothing in pixels
};

struct Material {
  float contrast = 1.0f;                    // of light and shadow
  Colour shadow_tint{0.88f, 0.68f, 0.82f};  // what the deepest shadow is multiplied with
  float shadow_gamma = 1.5f;                // above 1: shadows are more saturated
  Colour light_tint{0.5f, 0.46f, 0.4f};     // what the brightest light adds, as a screen
  float gradient = 0.2f;                    // within every part, along the light
  float occlusion = 0.25f;                  // at the edges of parts
  float cast = 0.3f;                        // shadows of parts on parts
  float highlight = 0.0f;                   // of the light's mirror image
  float shininess = 30.0f;
  float bounce = 0.15f;  // light from below
  Colour bounce_tint{0.55f, 0.35f, 0.6f};
};

// Normals of the icon.
ColourPlane relief_normals(const IconShape& shape, const Relief& relief);

// The icon's colours under the light, for every pixel (the ground's too: alpha is not applied).
ColourPlane shaded(const IconShape& shape, const ColourPlane& normals, const Light& light,
                   const Material& material);

// -1 to 1: how far along a direction a pixel lies within its part; 0 on the ground.
float along_light(const IconShape& shape, int x, int y, float to_x, float to_y);

// 0 to 1: where smaller parts, a few pixels nearer the light, stand before it.
Plane cast_shadows(const IconShape& shape, const Light& light, float reach);

// 0 to 1: a bright line inside the outline on the light's side, `width` pixels wide.
Plane lit_crescent(const IconShape& shape, const Light& light, float inset, float width);

}  // namespace dorabooth
