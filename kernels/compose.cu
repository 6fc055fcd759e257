// The compose step: y = g∘(Wx + s·B(Ax)) + b in one pass, and its backward: dy∘g and dm in one
// pass.
#include <cmath>

#include "kernels/device_dm.h"
#include "kernels/device_products.h"
#include "kernels/launchers.h"

namespace dorabooth::gpu {

namespace {

constexpr int kTokenLanes = 8;
constexpr int kTokensPerThread = 4;

template <int N>
__device__ __forceinline__ void load_or(ElementType type, const void* data, int64_t at,
                                        float absent, float (&out)[N]) {
  if (data != nullptr) {
    load_group<N>(type, data, at, out);
  } else {
    for (int i = 0; i < N; ++i) out[i] = absent;
  }
}

// One group of elements at `at`, `lora` its part of the update.
template <int N>
__device__ __forceinline__ void compose_group(const ComposeForwardArgs& args, int64_t at,
                                              const float (&gain)[N], const float (&bias)[N],
                                              const float (&lora)[N]) {
  const bool correct = args.gain != nullptr && (args.base_has_bias || args.dropped != nullptr);
  float y[N], product[N];
  load_group<N>(args.type, args.source != nullptr ? args.source : args.base, at, y);
  if (args.dropped != nullptr) {
    load_group<N>(args.type, args.dropped, at, product);
  } else {
    for (int i = 0; i < N; ++i) product[i] = y[i] - bias[i];
  }
  for (int i = 0; i < N; ++i) {
    const float missing_bias = args.base_has_bias ? 0.0f : bias[i];
    if (correct) {
      const float correction = (gain[i] - 1.0f) * product[i] + gain[i] * (args.scale * lora[i]);
      y[i] = (y[i] + correction) + missing_bias;
    } else {
      y[i] = gain[i] * (y[i] + args.scale * lora[i]) + missing_bias;
    }
  }
  store_group<N>(args.type, y, args.base, at);
}

// A thread keeps its columns' gain and bias in registers and walks down the tokens.
template <int N>
__global__ void compose_forward_kernel(ComposeForwardArgs args) {
  const int64_t c = (static_cast<int64_t>(blockIdx.x) * kWarp + threadIdx.x) * N;
  if (c >= args.out) return;
  float gain[N], bias[N];
  load_or<N>(ElementType::kFloat32, args.gain, c, 1.0f, gain);
  load_or<N>(args.bias_type, args.bias, c, 0.0f, bias);
  const int64_t stride = static_cast<int64_t>(gridDim.y) * kTokenLanes;
  for (int64_t t = static_cast<int64_t>(blockIdx.y) * kTokenLanes + threadIdx.y; t < args.tokens;
       t += stride) {
    const int64_t at = t * args.out + c;
    float lora[N];
    load_or<N>(args.lora_type, args.lora, at, 0.0f, lora);
    compose_group<N>(args, at, gain, bias, lora);
  }
}

// The same with l = u·F formed here: 32·N columns of the factor in shared memory serve 32 tokens,
// four of them in each thread's registers.
template <int N>
__global__ void compose_factor_kernel(ComposeForwardArgs args) {
  __shared__ float tile[kRanks][kTile];
  const int column = static_cast<int>(threadIdx.x) * N;
  const int64_t c = static_cast<int64_t>(blockIdx.x) * kWarp * N + column;
  const int64_t first =
      (static_cast<int64_t>(blockIdx.y) * kTokenLanes + threadIdx.y) * kTokensPerThread;
  float lora[kTokensPerThread][N] = {};
  for (int64_t k = 0; k < args.factor.rank; k += kRanks) {
    __syncthreads();
    load_factor_tile(args.factor, args.out, k, static_cast<int64_t>(blockIdx.x) * kWarp * N, tile);
    __syncthreads();
    const int64_t left = args.factor.rank - k;
    const int ranks = left < kRanks ? static_cast<int>(left) : kRanks;
    for (int rank = 0; rank < ranks; ++rank) {
      for (int i = 0; i < kTokensPerThread; ++i) {
        if (first + i >= args.tokens) continue;
        const float u = args.narrow.values[(first + i) * args.narrow.stride + k + rank];
        for (int j = 0; j < N; ++j) lora[i][j] += u * tile[rank][column + j];
      }
    }
  }
  if (c >= args.out) return;
  float gain[N], bias[N];
  load_or<N>(ElementType::kFloat32, args.gain, c, 1.0f, gain);
  load_or<N>(args.bias_type, args.bias, c, 0.0f, bias);
  for (int i = 0; i < kTokensPerThread; ++i) {
    if (first + i >= args.tokens) continue;
    compose_group<N>(args, (first + i) * args.out + c, gain, bias, lora[i]);
  }
}

// A block takes one chunk of tokens of 32·N columns; its 8 rows of threads meet in a fixed order.
template <int N>
__global__ void compose_backward_kernel(ComposeBackwardArgs args) {
  __shared__ float partial[kTokenLanes][kWarp][N];
  const int64_t c = (static_cast<int64_t>(blockIdx.x) * kWarp + threadIdx.x) * N;
  const bool exists = c < args.out;
  const bool wants_dm = args.dm != nullptr && args.value != nullptr;
  const bool wants_dyg = args.dyg != nullptr && args.gain != nullptr;
  float sums[N];
  for (int i = 0; i < N; ++i) sums[i] = 0;
  if (exists) {
    float gain[N], bias[N];
    load_or<N>(ElementType::kFloat32, args.gain, c, 1.0f, gain);
    load_or<N>(args.bias_type, args.bias, c, 0.0f, bias);
    const int64_t first = static_cast<int64_t>(blockIdx.y) * kComposeTokensPerChunk;
    const int64_t end = first + kComposeTokensPerChunk;
    const int64_t last = end < args.tokens ? end : args.tokens;
    for (int64_t t = first + threadIdx.y; t < last; t += kTokenLanes) {
      const int64_t at = t * args.out + c;
      float dy[N];
      load_group<N>(args.type, args.dy, at, dy);
      if (wants_dm) {
        float value[N];
        load_group<N>(args.value_type, args.value, at, value);
        for (int i = 0; i < N; ++i) sums[i] += dy[i] * (value[i] - bias[i]);
      }
      if (wants_dyg) {
        for (int i = 0; i < N; ++i) dy[i] *= gain[i];
        store_group<N>(args.type, dy, args.dyg, at);
      }
    }
  }
  if (!wants_dm) return;
  for (int i = 0; i < N; ++i) partial[threadIdx.y][threadIdx.x][i] = sums[i];
  __syncthreads();
  if (!exists || threadIdx.y != 0) return;
  double* chunk = args.workspace + static_cast<int64_t>(blockIdx.y) * args.out + c;
  for (int i = 0; i < N; ++i) {
    double total = 0;
    for (int lane = 0; lane < kTokenLanes; ++lane) {
      total += static_cast<double>(partial[lane][threadIdx.x][i]);
    }
    chunk[i] = total;
  }
}

__global__ void finish_dm_kernel(ComposeBackwardArgs args) {
  const int64_t o = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (o < args.out) finish_dm(args, o);
}

}  // namespace

void compose_forward(const ComposeForwardArgs& args) {
  const bool groups = args.out % kGroup == 0 && aligned16(args.base) && aligned16(args.source) &&
                      aligned16(args.lora) && aligned16(args.dropped) && aligned16(args.gain) &&
                      aligned16(args.bias);
  const int64_t rows = divide_up(args.tokens, kTokenLanes * kTokensPerThread);
  const int64_t columns = divide_up(args.out, kWarp * (groups ? kGroup : 1));
  const Extent block{kWarp, kTokenLanes};
  if (args.factor.rank > 0) {
    if (groups) {
      launch<Meeting::kBarriers>(compose_factor_kernel<kGroup>, {columns, rows}, block,
                                 args.on.stream, args);
    } else {
      launch<Meeting::kBarriers>(compose_factor_kernel<1>, {columns, rows}, block, args.on.stream,
                                 args);
    }
    return;
  }
  const Extent grid{columns, rows < 65535 ? rows : 65535};
  if (groups) {
    launch<Meeting::kNever>(compose_forward_kernel<kGroup>, grid, block, args.on.stream, args);
  } else {
    launch<Meeting::kNever>(compose_forward_kernel<1>, grid, block, args.on.stream, args);
  }
}

void compose_backward_sums(const ComposeBackwardArgs& args) {
  const bool groups = args.out % kGroup == 0 && aligned16(args.dy) && aligned16(args.value) &&
                      aligned16(args.dyg) && aligned16(args.gain) && aligned16(args.bias);
  const int64_t chunks = divide_up(args.tokens, kComposeTokensPerChunk);
  const Extent grid{divide_up(args.out, kWarp * (groups ? kGroup : 1)), chunks};
  const Extent block{kWarp, kTokenLanes};
  if (groups) {
    launch<Meeting::kBarriers>(compose_backward_kernel<kGroup>, grid, block, args.on.stream, args);
  } else {
    launch<Meeting::kBarriers>(compose_backward_kernel<1>, grid, block, args.on.stream, args);
  }
}

void compose_backward(const ComposeBackwardArgs& args) {
  compose_backward_sums(args);
  if (args.divisor == nullptr || (args.dm == nullptr && args.flagged == nullptr)) return;
  launch<Meeting::kNever>(finish_dm_kernel, {divide_up(args.out, 128), 1}, {128, 1}, args.on.stream,
                          args);
}

}  // namespace dorabooth::gpu
