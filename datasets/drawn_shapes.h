// Pictures of random shapes, without meaning and without text: what an autoencoder for icons has to
// be able to write down, edges, gradients, shading, highlights and soft shadows in all colours.
#pragma once

#include <cstdint>

#include "src/base/image.h"

namespace dorabooth {

// 2 to 9 overlapping ellipses, polygons, rounded boxes, stars and strokes on white or on a colour,
// flat or in one of drawn_styles(); a function of its arguments alone. Side: 32 to 1024 pixels.
Image draw_shapes(int side, uint64_t seed, uint32_t index);

}  // namespace dorabooth
