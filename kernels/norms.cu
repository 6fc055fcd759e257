// Norms: |W_j|² by rows, |W_j + s(BA)_j| from its factors with the gain m/norm, and sums over
// columns.
#include <cmath>

#include "kernels/device_math.h"
#include "kernels/launchers.h"

namespace dorabooth::gpu {

namespace {

constexpr int kRowsPerBlock = 8;

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

// A warp a row; lanes lie over the rank, so that G is read along its rows.
__global__ void row_norm_kernel(RowNormArgs args) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kRowsPerBlock + threadIdx.y;
  const bool exists = row < args.rows;
  double cross = 0;
  double square = 0;
  if (exists) {
    const float* up = args.up + row * args.rank;
    for (int64_t k = threadIdx.x; k < args.rank; k += kWarp) {
      float gram_row = 0;
      for (int64_t l = 0; l < args.rank; ++l) gram_row += up[l] * args.gram[l * args.rank + k];
      const double factor = static_cast<double>(up[k]);
      cross += static_cast<double>(args.cross[row * args.rank + k]) * factor;
      square += static_cast<double>(gram_row) * factor;
    }
  }
  cross = warp_sum(cross);
  square = warp_sum(square);
  if (!exists || threadIdx.x != 0) return;
  const double s = static_cast<double>(args.scale);
  const double norm2 = static_cast<double>(args.square_sums[row]) + 2 * s * cross + s * s * square;
  const float norm = sqrtf(static_cast<float>(norm2 > 0 ? norm2 : 0));
  if (args.norm != nullptr) args.norm[row] = norm;
  if (args.gain != nullptr && args.magnitude != nullptr) {
    args.gain[row] = norm == 0.0f ? 1.0f : args.magnitude[row] / (norm + args.epsilon);
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
  launch<Meeting::kBarriers>(row_norm_kernel, {divide_up(args.rows, kRowsPerBlock), 1},
                             {kWarp, kRowsPerBlock}, args.on.stream, args);
}

void column_square_sums(const ColumnSquareSumsArgs& args) {
  launch<Meeting::kBarriers>(column_square_sums_kernel, {divide_up(args.columns, kWarp), 1},
                             {kWarp, kRowsPerBlock}, args.on.stream, args);
}

}  // namespace dorabooth::gpu
