// Products of wide rows with the few columns of a low-rank factor, for the kernels that need them.
#pragma once

#include "kernels/device_math.h"

namespace dorabooth {

// A block is 8 warps. A tile of the factor in shared memory serves every row of the block: a lane
// holds a group of columns of its warp's rows and its sums for kRanks ranks.
inline constexpr int kRowsPerBlock = 8;
inline constexpr int kRanks = 16;
inline constexpr int kRowsPerWarp = 2;
inline constexpr int kTile = kWarp * kGroup;

__device__ __forceinline__ float factor_at(const Factor& factor, int64_t columns, int64_t rank,
                                           int64_t column) {
  return factor.by_column ? factor.values[column * factor.rank + rank]
                          : factor.values[rank * columns + column];
}

// Columns [begin, begin + kTile) of the ranks [k, k + kRanks); zeros beyond. The whole block.
__device__ __forceinline__ void load_factor_tile(const Factor& factor, int64_t columns, int64_t k,
                                                 int64_t begin, float (*tile)[kTile]) {
  const int thread = static_cast<int>(threadIdx.y) * kWarp + static_cast<int>(threadIdx.x);
  for (int i = thread; i < kRanks * kTile; i += kRowsPerBlock * kWarp) {
    // Neighbouring threads read neighbouring values.
    const int rank = factor.by_column ? i % kRanks : i / kTile;
    const int column = factor.by_column ? i / kRanks : i % kTile;
    const bool inside = k + rank < factor.rank && begin + column < columns;
    tile[rank][column] = inside ? factor_at(factor, columns, k + rank, begin + column) : 0.0f;
  }
}

// sums[i][r] += this lane's part of Σ_c matrix[first_row + i, c]·F[k + r, c]. The whole block.
template <int N>
__device__ __forceinline__ void add_row_products(ElementType type, const void* matrix, int64_t rows,
                                                 int64_t columns, const Factor& factor,
                                                 int64_t first_row, int64_t k, float (*tile)[kTile],
                                                 float (&sums)[kRowsPerWarp][kRanks]) {
  for (int64_t begin = 0; begin < columns; begin += kTile) {
    __syncthreads();
    load_factor_tile(factor, columns, k, begin, tile);
    __syncthreads();
    for (int part = 0; part < kTile; part += kWarp * N) {
      const int at = part + static_cast<int>(threadIdx.x) * N;
      if (begin + at >= columns) continue;
      for (int row = 0; row < kRowsPerWarp; ++row) {
        if (first_row + row >= rows) continue;
        float value[N];
        load_group<N>(type, matrix, (first_row + row) * columns + begin + at, value);
        for (int rank = 0; rank < kRanks; ++rank) {
          for (int i = 0; i < N; ++i) sums[row][rank] += value[i] * tile[rank][at + i];
        }
      }
    }
  }
}

}  // namespace dorabooth
