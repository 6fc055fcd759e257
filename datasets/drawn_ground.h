// What an icon stands on: white, a colour, a soft gradient, darkness, with or without its shadow.
#pragma once

#include "datasets/icon_shape.h"
#include "datasets/style_draws.h"

namespace dorabooth {

ColourPlane plain_ground(int side, const Colour& colour);
// A colour that is not the icon's own, flat or running into a neighbour.
ColourPlane coloured_ground(const IconShape& shape, StyleDraws& draws);
ColourPlane dark_ground(const IconShape& shape, StyleDraws& draws);

// Multiplies the ground by the tint where the alpha, moved and blurred, says so.
void cast_on_ground(ColourPlane& ground, const Plane& alpha, const cv::Point2f& offset, float blur,
                    float strength, const Colour& tint);

// icon over ground
ColourPlane laid_over(const ColourPlane& icon, const Plane& alpha, const ColourPlane& ground);

}  // namespace dorabooth
