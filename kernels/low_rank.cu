// u = A·x and du = s·Bᵀ·dyg: wide rows against the few columns of a factor.
#include "kernels/device_products.h"
#include "kernels/launchers.h"

namespace dorabooth::gpu {

namespace {

template <int N>
__global__ void narrow_product_kernel(NarrowProductArgs args) {
  __shared__ float tile[kRanks][kTile];
  const int64_t first =
      (static_cast<int64_t>(blockIdx.x) * kRowsPerBlock + threadIdx.y) * kRowsPerWarp;
  for (int64_t k = 0; k < args.factor.rank; k += kRanks) {
    float sums[kRowsPerWarp][kRanks] = {};
    add_row_products<N>(args.type, args.wide, args.tokens, args.columns, args.factor, first, k,
                        tile, sums);
    for (int i = 0; i < kRowsPerWarp; ++i) {
      for (int rank = 0; rank < kRanks; ++rank) {
        const float sum = warp_sum(sums[i][rank]);
        if (first + i >= args.tokens || k + rank >= args.factor.rank) continue;
        // One lane a rank, so that the row is written at once.
        if (static_cast<int>(threadIdx.x) == rank) {
          args.narrow[(first + i) * args.narrow_stride + k + rank] = args.scale * sum;
        }
      }
    }
  }
}

}  // namespace

void narrow_product(const NarrowProductArgs& args) {
  if (args.factor.rank == 0) return;
  const Extent grid{divide_up(args.tokens, kRowsPerBlock * kRowsPerWarp), 1};
  const Extent block{kWarp, kRowsPerBlock};
  if (args.columns % kGroup == 0 && aligned16(args.wide)) {
    launch<Meeting::kBarriers>(narrow_product_kernel<kGroup>, grid, block, args.on.stream, args);
  } else {
    launch<Meeting::kBarriers>(narrow_product_kernel<1>, grid, block, args.on.stream, args);
  }
}

}  // namespace dorabooth::gpu
