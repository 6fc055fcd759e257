// Applies a function of pictures tile by tile, so that memory does not grow with the picture:
// overlapping square tiles, joined by linear ramps over the overlap (diffusers' tiled VAE).
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

namespace dorabooth {

struct TileGrid {
  int64_t tile = 0;         // side of an input tile
  int64_t step = 0;         // from one tile's start to the next one's
  int64_t output_step = 0;  // the same in the output: what of each tile is kept
  int64_t ramp = 0;         // output pixels over which two tiles are blended
};

// x [batch, channels, h, w]; `function` maps a tile to a tile of another scale.
at::Tensor apply_tiled(const at::Tensor& x, const TileGrid& grid,
                       const std::function<at::Tensor(const at::Tensor&)>& function);

}  // namespace dorabooth
