// Norms: |W_j|² by rows, |W_j + s(BA)_j| from its factors with the gain m/norm, and sums over
// columns.
#include <cmath>

#include "kernels/device_products.h"
#include "kernels/launchers.h"

namespace dorabooth::gpu {

namespace {

// A warp a row: products in fp32 within a group, then double.
template <int N>
__global__ void square_sum_rows_kernel(SquareSumRowsArgs args) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kRowsPerBlock + threadIdx.y;
  const bool exists = row < args.rows;
  double sum = 0;
  if (exists) {
    for (int64_t c = static_cast<int64_t>(threadIdx.x) * N; c < args.columns; c += kWarp * N) {
      float value[N];
      load_group<N>(args.type, args.weight, row * args.columns + c, value);
      float group = 0;
      for (int i = 0; i < N; ++i) group += value[i] * value[i];
      sum += static_cast<double>(group);
    }
  }
  sum = warp_sum(sum);
  if (exists && threadIdx.x == 0) args.square_sums[row] = static_cast<float>(sum);
}

// A warp an entry of G = A·Aᵀ.
__global__ void gram_kernel(RowNormArgs args) {
  const int64_t entry = static_cast<int64_t>(blockIdx.x) * kRowsPerBlock + threadIdx.y;
  const bool exists = entry < args.rank * args.rank;
  double sum = 0;
  if (exists) {
    const float* a = args.down + entry / args.rank * args.columns;
    const float* b = args.down + entry % args.rank * args.columns;
    for (int64_t c = threadIdx.x; c < args.columns; c += kWarp) {
      sum += static_cast<double>(a[c] * b[c]);
    }
  }
  sum = warp_sum(sum);
  if (exists && threadIdx.x == 0) args.workspace[entry] = static_cast<float>(sum);
}

// cross[i] += this lane's part of B_j·(W·Aᵀ)_j over the ranks [k, k + kRanks) for its warp's rows.
template <int N>
__device__ __forceinline__ void add_cross(const RowNormArgs& args, int64_t first_row, int64_t k,
                                          float (*tile)[kTile], double (&cross)[kRowsPerWarp]) {
  float sums[kRowsPerWarp][kRanks] = {};
  const Factor down{args.down, args.rank, false};
  add_row_products<N>(args.type, args.weight, args.rows, args.columns, down, first_row, k, tile,
                      sums);
  for (int row = 0; row < kRowsPerWarp; ++row) {
    if (first_row + row >= args.rows) continue;
    for (int rank = 0; rank < kRanks; ++rank) {
      if (k + rank >= args.rank) continue;
      const float up = args.up[(first_row + row) * args.rank + k + rank];
      cross[row] += static_cast<double>(sums[row][rank]) * static_cast<double>(up);
    }
  }
}

// This lane's part of B_j·G·B_jᵀ; lanes lie over the rank, so that G is read along its rows.
__device__ __forceinline__ double quadratic_form(const RowNormArgs& args, int64_t row) {
  const float* up = args.up + row * args.rank;
  double sum = 0;
  for (int64_t k = threadIdx.x; k < args.rank; k += kWarp) {
    float gram_row = 0;
    for (int64_t l = 0; l < args.rank; ++l) gram_row += up[l] * args.workspace[l * args.rank + k];
    sum += static_cast<double>(gram_row) * static_cast<double>(up[k]);
  }
  return sum;
}

// This lane's part of Σ V_j², V_j formed.
__device__ __forceinline__ double formed_square_sum(const RowNormArgs& args, int64_t row) {
  double sum = 0;
  for (int64_t c = threadIdx.x; c < args.columns; c += kWarp) {
    float value[1];
    load_group<1>(args.type, args.weight, row * args.columns + c, value);
    float delta = 0;
    for (int64_t k = 0; k < args.rank; ++k) {
      delta += args.up[row * args.rank + k] * args.down[k * args.columns + c];
    }
    const double v = static_cast<double>(value[0] + args.scale * delta);
    sum += v * v;
  }
  return sum;
}

template <int N>
__global__ void row_norm_kernel(RowNormArgs args) {
  __shared__ float tile[kRanks][kTile];
  const int64_t first_row =
      (static_cast<int64_t>(blockIdx.x) * kRowsPerBlock + threadIdx.y) * kRowsPerWarp;
  double cross[kRowsPerWarp] = {};
  for (int64_t k = 0; k < args.rank; k += kRanks) add_cross<N>(args, first_row, k, tile, cross);
  const double s = static_cast<double>(args.scale);
  for (int i = 0; i < kRowsPerWarp; ++i) {
    const int64_t row = first_row + i;
    if (row >= args.rows) return;  // the whole warp
    const double w2 = static_cast<double>(args.square_sums[row]);
    const double last = s * s * warp_sum(quadratic_form(args, row));
    double norm2 = w2 + 2 * s * warp_sum(cross[i]) + last;
    if (norm2 < kCancelledShare * (w2 + last)) norm2 = warp_sum(formed_square_sum(args, row));
    if (threadIdx.x != 0) continue;
    const float norm = sqrtf(static_cast<float>(norm2 > 0 ? norm2 : 0));
    if (args.norm != nullptr) args.norm[row] = norm;
    if (args.gain != nullptr && args.magnitude != nullptr) {
      args.gain[row] = norm == 0.0f ? 1.0f : args.magnitude[row] / (norm + args.epsilon);
    }
  }
}

// A lane a column; the block's 8 warps take every 8th row and meet at the end.
__global__ void column_square_sums_kernel(ColumnSquareSumsArgs args) {
  __shared__ double partial[kRowsPerBlock][kWarp];
  const int64_t column = static_cast<int64_t>(blockIdx.x) * kWarp + threadIdx.x;
  const bool exists = column < args.columns;
  double sum = 0;
  if (exists) {
    for (int64_t row = threadIdx.y; row < args.rows; row += kRowsPerBlock) {
      float value[1];
      load_group<1>(args.type, args.weight, row * args.columns + column, value);
      float delta = 0;
      for (int64_t k = 0; k < args.rank; ++k) {
        delta += args.up[row * args.rank + k] * args.down[k * args.columns + column];
      }
      const double v = static_cast<double>(value[0] + args.scale * delta);
      sum += v * v;
    }
  }
  partial[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (!exists || threadIdx.y != 0) return;
  double total = 0;
  for (int i = 0; i < kRowsPerBlock; ++i) total += partial[i][threadIdx.x];
  args.sums[column] += total;
}

}  // namespace

void square_sum_rows(const SquareSumRowsArgs& args) {
  const Extent grid{divide_up(args.rows, kRowsPerBlock), 1};
  const Extent block{kWarp, kRowsPerBlock};
  if (args.columns % kGroup == 0 && aligned16(args.weight)) {
    launch<Meeting::kBarriers>(square_sum_rows_kernel<kGroup>, grid, block, args.on.stream, args);
  } else {
    launch<Meeting::kBarriers>(square_sum_rows_kernel<1>, grid, block, args.on.stream, args);
  }
}

void row_norm(const RowNormArgs& args) {
  const Extent block{kWarp, kRowsPerBlock};
  launch<Meeting::kBarriers>(gram_kernel, {divide_up(args.rank * args.rank, kRowsPerBlock), 1},
                             block, args.on.stream, args);
  const Extent grid{divide_up(args.rows, kRowsPerBlock * kRowsPerWarp), 1};
  if (args.columns % kGroup == 0 && aligned16(args.weight)) {
    launch<Meeting::kBarriers>(row_norm_kernel<kGroup>, grid, block, args.on.stream, args);
  } else {
    launch<Meeting::kBarriers>(row_norm_kernel<1>, grid, block, args.on.stream, args);
  }
}

void column_square_sums(const ColumnSquareSumsArgs& args) {
  launch<Meeting::kBarriers>(column_square_sums_kernel, {divide_up(args.columns, kWarp), 1},
                             {kWarp, kRowsPerBlock}, args.on.stream, args);
}

}  // namespace dorabooth::gpu
