// A tile is blended with the one above and then with the one to its left, both of them blended
// already, and cut to the grid's step.
#include "src/vae/tiling.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

namespace dorabooth {

namespace {

// Fades from the end of `before` into the start of `tile` along `axis`, in place.
void blend(const at::Tensor& before, at::Tensor& tile, int64_t axis, int64_t ramp) {
  const int64_t length = std::min({ramp, before.size(axis), tile.size(axis)});
  if (length == 0) return;
  std::vector<int64_t> shape(4, 1);
  shape[static_cast<size_t>(axis)] = length;
  const at::Tensor weight =
      (at::arange(length, tile.options().dtype(at::kFloat)) / static_cast<double>(length))
          .view(shape);
  const at::Tensor old_part = before.narrow(axis, before.size(axis) - length, length);
  at::Tensor new_part = tile.narrow(axis, 0, length);
  new_part.copy_(old_part * (1 - weight) + new_part * weight);
}

}  // namespace

at::Tensor apply_tiled(const at::Tensor& x, const TileGrid& grid,
                       const std::function<at::Tensor(const at::Tensor&)>& function) {
  std::vector<at::Tensor> above;
  std::vector<at::Tensor> joined_rows;
  for (int64_t top = 0; top < x.size(2); top += grid.step) {
    const at::Tensor band = x.narrow(2, top, std::min(grid.tile, x.size(2) - top));
    std::vector<at::Tensor> row;
    std::vector<at::Tensor> kept;
    for (int64_t left = 0; left < x.size(3); left += grid.step) {
      at::Tensor tile = function(band.narrow(3, left, std::min(grid.tile, x.size(3) - left)));
      if (!above.empty()) blend(above[row.size()], tile, 2, grid.ramp);
      if (!row.empty()) blend(row.back(), tile, 3, grid.ramp);
      kept.push_back(tile.narrow(2, 0, std::min(grid.output_step, tile.size(2)))
                         .narrow(3, 0, std::min(grid.output_step, tile.size(3))));
      row.push_back(std::move(tile));
    }
    joined_rows.push_back(at::cat(kept, 3));
    above = std::move(row);
  }
  return at::cat(joined_rows, 2);
}

}  // namespace dorabooth
