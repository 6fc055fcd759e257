// The adapted layer's backward but for its frozen product, in four launches: dyg with the parts of
// dm; du; the parts of dA and dB by chunks of tokens; their sums in the chunks' order.
#include "kernels/device_dm.h"
#include "kernels/device_products.h"
#include "kernels/launchers.h"

namespace dorabooth::gpu {

namespace {

constexpr int kWarps = 8;
// Ranks whose sums a thread holds at once for its group of columns.
constexpr int kTileRanks = 8;

// One of the two gradients: narrow [tokens, rank] against wide [tokens, columns].
struct Problem {
  Narrow narrow;
  const void* wide;
  int64_t columns;
  float* parts;  // [chunks, rank, columns]
};

struct GradientArgs {
  ElementType type;
  int64_t tokens, rank;
  Problem down, up;     // dA and dB
  int64_t down_blocks;  // blocks of columns of dA; those of dB follow
};

template <int N>
__global__ void gradient_parts_kernel(GradientArgs args) {
  __shared__ float meeting[kTileRanks][kWarp][N];
  const int64_t block = static_cast<int64_t>(blockIdx.x);
  const bool is_down = block < args.down_blocks;
  const Problem problem = is_down ? args.down : args.up;
  const int64_t c =
      ((is_down ? block : block - args.down_blocks) * kWarp + static_cast<int64_t>(threadIdx.x)) *
      N;
  const bool exists = c < problem.columns;
  const int64_t first = static_cast<int64_t>(blockIdx.y) * kComposeTokensPerChunk;
  const int64_t end = first + kComposeTokensPerChunk;
  const int64_t last = end < args.tokens ? end : args.tokens;
  float* parts = problem.parts + static_cast<int64_t>(blockIdx.y) * args.rank * problem.columns;
  for (int64_t k = 0; k < args.rank; k += kTileRanks) {
    const int64_t left = args.rank - k;
    const int ranks = left < kTileRanks ? static_cast<int>(left) : kTileRanks;
    float sums[kTileRanks][N] = {};
    if (exists) {
      for (int64_t t = first + threadIdx.y; t < last; t += kWarps) {
        float value[N];
        load_group<N>(args.type, problem.wide, t * problem.columns + c, value);
        const float* narrow = problem.narrow.values + t * problem.narrow.stride + k;
        for (int rank = 0; rank < kTileRanks; ++rank) {
          const float u = rank < ranks ? narrow[rank] : 0.0f;
          for (int i = 0; i < N; ++i) sums[rank][i] += u * value[i];
        }
      }
    }
    // The warps add up one after another: the order is theirs alone.
    for (int warp = 0; warp < kWarps; ++warp) {
      if (static_cast<int>(threadIdx.y) == warp) {
        for (int rank = 0; rank < kTileRanks; ++rank) {
          for (int i = 0; i < N; ++i) {
            float& place = meeting[rank][threadIdx.x][i];
            place = warp == 0 ? sums[rank][i] : place + sums[rank][i];
          }
        }
      }
      __syncthreads();
    }
    if (exists && static_cast<int>(threadIdx.y) < ranks) {
      const int rank = static_cast<int>(threadIdx.y);
      for (int i = 0; i < N; ++i) {
        parts[(k + rank) * problem.columns + c + i] = meeting[rank][threadIdx.x][i];
      }
    }
    __syncthreads();
  }
}

// The chunks of one element in their order.
__device__ __forceinline__ float chunk_sum(const float* parts, int64_t size, int64_t at,
                                           int64_t chunks) {
  double sum = 0;
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    sum += static_cast<double>(parts[chunk * size + at]);
  }
  return static_cast<float>(sum);
}

// dm of a flagged column, by one thread: there are few or none.
__device__ __forceinline__ float recomputed_dm(const AdapterBackwardArgs& args, int64_t o) {
  const ComposeBackwardArgs& compose = args.compose;
  const float norm = compose.norm[o];
  if (norm == 0.0f) return 0.0f;
  double sum = 0;
  for (int64_t t = 0; t < compose.tokens; ++t) {
    float dy[1], x[1], w[1];
    double value = 0;
    for (int64_t i = 0; i < args.in; ++i) {
      load_group<1>(args.weight_type, args.weight, o * args.in + i, w);
      load_group<1>(compose.type, args.x, t * args.in + i, x);
      value += static_cast<double>(w[0]) * static_cast<double>(x[0]);
    }
    double update = 0;
    for (int64_t k = 0; k < args.rank; ++k) {
      update += static_cast<double>(args.up[o * args.rank + k]) *
                static_cast<double>(args.u.values[t * args.u.stride + k]);
    }
    value += static_cast<double>(args.scale) * update;
    load_group<1>(compose.type, compose.dy, t * compose.out + o, dy);
    sum += static_cast<double>(dy[0]) * value;
  }
  return static_cast<float>(sum / static_cast<double>(norm));
}

// Threads lie over dA, then dB, then dm.
__global__ void finish_kernel(AdapterBackwardArgs args, GradientArgs gradients, int64_t chunks) {
  int64_t at = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const int64_t down_size = args.d_down != nullptr ? args.rank * args.in : 0;
  const int64_t up_size = args.d_up != nullptr ? args.rank * args.compose.out : 0;
  if (at < down_size) {
    args.d_down[at] = chunk_sum(gradients.down.parts, down_size, at, chunks);
    return;
  }
  at -= down_size;
  if (at < up_size) {
    const int64_t k = at / args.compose.out;
    const int64_t o = at % args.compose.out;
    args.d_up[o * args.rank + k] = args.scale * chunk_sum(gradients.up.parts, up_size, at, chunks);
    return;
  }
  at -= up_size;
  if (at >= args.compose.out || args.compose.divisor == nullptr) return;
  finish_dm(args.compose, at);
  const bool recomputes =
      args.compose.dm != nullptr && args.compose.value != nullptr && args.weight != nullptr;
  if (recomputes && is_flagged(args.compose, at)) args.compose.dm[at] = recomputed_dm(args, at);
}

}  // namespace

int64_t adapter_backward_workspace(int64_t tokens, int64_t in, int64_t out, int64_t rank) {
  return divide_up(tokens, kComposeTokensPerChunk) * rank * (in + out);
}

void adapter_backward(const AdapterBackwardArgs& args) {
  const ComposeBackwardArgs& compose = args.compose;
  const bool has_magnitude = compose.value != nullptr && compose.dm != nullptr;
  if (has_magnitude || compose.gain != nullptr) compose_backward_sums(compose);
  const void* dyg = compose.gain != nullptr ? compose.dyg : compose.dy;
  const int64_t chunks = divide_up(compose.tokens, kComposeTokensPerChunk);
  GradientArgs gradients{};
  if (args.rank > 0 && args.up != nullptr) {
    NarrowProductArgs du;
    du.on = compose.on;
    du.wide = dyg;
    du.type = compose.type;
    du.factor = {args.up, args.rank, true};
    du.scale = args.scale;
    du.tokens = compose.tokens;
    du.columns = compose.out;
    du.narrow = args.du;
    du.narrow_stride = args.du_stride;
    narrow_product(du);
  }
  const int64_t down_columns = args.d_down != nullptr ? args.in : 0;
  const int64_t up_columns = args.d_up != nullptr ? compose.out : 0;
  if (args.rank > 0 && down_columns + up_columns > 0) {
    const bool groups = down_columns % kGroup == 0 && up_columns % kGroup == 0 &&
                        aligned16(args.x) && aligned16(dyg);
    const int64_t columns = kWarp * (groups ? kGroup : 1);
    gradients.type = compose.type;
    gradients.tokens = compose.tokens;
    gradients.rank = args.rank;
    gradients.down = {{args.du, args.du_stride}, args.x, args.in, args.workspace};
    gradients.up = {args.u, dyg, compose.out, args.workspace + chunks * args.rank * down_columns};
    gradients.down_blocks = divide_up(down_columns, columns);
    const Extent grid{gradients.down_blocks + divide_up(up_columns, columns), chunks};
    const Extent block{kWarp, kWarps};
    if (groups) {
      launch<Meeting::kBarriers>(gradient_parts_kernel<kGroup>, grid, block, compose.on.stream,
                                 gradients);
    } else {
      launch<Meeting::kBarriers>(gradient_parts_kernel<1>, grid, block, compose.on.stream,
                                 gradients);
    }
  }
  const int64_t results =
      args.rank * (down_columns + up_columns) + (compose.divisor != nullptr ? compose.out : 0);
  launch<Meeting::kNever>(finish_kernel, {divide_up(results, 256), 1}, {256, 1}, compose.on.stream,
                          args, gradients, chunks);
}

}  // namespace dorabooth::gpu
