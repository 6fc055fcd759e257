// The merge: V = W + s·B·A, its DoRA direction and magnitude, one rounding. A block a row.
#include <cmath>

#include "kernels/device_math.h"
#include "kernels/launchers.h"

namespace dorabooth::gpu {

namespace {

constexpr int kThreads = 128;

// w gets W, v gets V, for N columns from c of this row.
template <int N>
__device__ __forceinline__ void updated_weight(const MergeRowsArgs& args, int64_t row, int64_t c,
                                               float (&w)[N], float (&v)[N]) {
  load_group<N>(args.type, args.weight, row * args.columns + c, w);
  for (int i = 0; i < N; ++i) v[i] = 0;
  for (int64_t k = 0; k < args.rank; ++k) {
    const float up = args.up[row * args.rank + k];
    float down[N];
    load_group<N>(ElementType::kFloat32, args.down, k * args.columns + c, down);
    for (int i = 0; i < N; ++i) v[i] += up * down[i];
  }
  for (int i = 0; i < N; ++i) v[i] = w[i] + args.scale * v[i];
}

template <int N>
__global__ void merge_rows_kernel(MergeRowsArgs args) {
  const int64_t row = blockIdx.x;
  const int64_t start = static_cast<int64_t>(threadIdx.x) * N;
  float w[N], v[N];
  float row_gain = 1.0f;
  if (args.axis == MagnitudeAxis::kOutput) {
    double sum = 0;
    for (int64_t c = start; c < args.columns; c += kThreads * N) {
      updated_weight<N>(args, row, c, w, v);
      float group = 0;
      for (int i = 0; i < N; ++i) group += v[i] * v[i];
      sum += static_cast<double>(group);
    }
    const float norm = sqrtf(static_cast<float>(block_sum<kThreads>(sum)));
    if (norm != 0.0f) row_gain = args.magnitude[row] / (norm + args.epsilon);
  }
  for (int64_t c = start; c < args.columns; c += kThreads * N) {
    updated_weight<N>(args, row, c, w, v);
    for (int i = 0; i < N; ++i) {
      float gain = row_gain;
      if (args.axis == MagnitudeAxis::kInput) {
        const float norm = args.column_norms[c + i];
        gain = norm == 0.0f ? 1.0f : args.magnitude[c + i] / (norm + args.epsilon);
      }
      v[i] *= gain;
      if (args.blend != 1.0f) v[i] = w[i] + args.blend * (v[i] - w[i]);
    }
    store_group<N>(args.merged_type, v, args.merged, row * args.columns + c);
  }
}

}  // namespace

void merge_rows(const MergeRowsArgs& args) {
  const bool groups = args.columns % kGroup == 0 && aligned16(args.weight) &&
                      aligned16(args.down) && aligned16(args.merged);
  const Extent grid{args.rows, 1};
  if (groups) {
    launch<Meeting::kBarriers>(merge_rows_kernel<kGroup>, grid, {kThreads, 1}, args.on.stream,
                               args);
  } else {
    launch<Meeting::kBarriers>(merge_rows_kernel<1>, grid, {kThreads, 1}, args.on.stream, args);
  }
}

}  // namespace dorabooth::gpu
