// NF4 quantise and dequantise: 128 bits at a time where the data lies so.
#include <cmath>

#include "kernels/device_math.h"
#include "kernels/launchers.h"
#include "kernels/nf4_code.h"

namespace dorabooth::gpu {

namespace {

constexpr int kThreads = 256;

// N elements a thread, 64/N threads a block of NF4. N = 2 serves any count and alignment.
template <int N>
__global__ void nf4_quantize_kernel(Nf4QuantizeArgs args) {
  constexpr int kLanes = static_cast<int>(kNf4Block) / N;
  const int64_t thread = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const int64_t at = thread * N;
  float x[N] = {};
  if (N == kGroup) {
    if (at < args.count) load_group<N>(args.type, args.weight, at, x);
  } else {
    for (int i = 0; i < N; ++i) {
      float one[1];
      if (at + i < args.count) {
        load_group<1>(args.type, args.weight, at + i, one);
        x[i] = one[0];
      }
    }
  }
  float absmax = 0.0f;
  for (int i = 0; i < N; ++i) absmax = fmaxf(absmax, fabsf(x[i]));
  for (int mask = kLanes / 2; mask > 0; mask /= 2) {
    absmax = fmaxf(absmax, __shfl_xor_sync(kAllLanes, absmax, mask));
  }
  if (at >= args.count) return;
  if (thread % kLanes == 0) args.absmax[at / kNf4Block] = absmax;
  const float divisor = absmax > 0.0f ? absmax : 1.0f;
  Pack<uint8_t, N / 2> pack;
  for (int i = 0; i < N / 2; ++i) {
    const uint32_t high = nf4_index(x[2 * i] / divisor);
    pack.value[i] = static_cast<uint8_t>(high << 4 | nf4_index(x[2 * i + 1] / divisor));
  }
  *reinterpret_cast<Pack<uint8_t, N / 2>*>(args.packed + at / 2) = pack;
}

__device__ __forceinline__ float absmax_of(const Nf4DequantizeArgs& args, int64_t block) {
  if (args.absmax != nullptr) return args.absmax[block];
  const float code = args.nested_code[args.absmax_index[block]];
  const float scale = args.nested_absmax[block / kNf4NestedBlock];
#if defined(__CUDA_ARCH__)
  return __fadd_rn(__fmul_rn(code, scale), args.offset);
#else
  return code * scale + args.offset;
#endif
}

// 32 elements a thread, half a block of NF4: one 128-bit load, four or eight 128-bit stores.
// Without kWide one element a thread.
template <bool kWide>
__global__ void nf4_dequantize_kernel(Nf4DequantizeArgs args) {
  __shared__ float table[kNf4Values];
  if (threadIdx.x < kNf4Values) table[threadIdx.x] = nf4_values().at[threadIdx.x];
  __syncthreads();
  constexpr int kElements = kWide ? 32 : 1;
  const int64_t to = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * kElements;
  if (to >= args.count) return;
  const int64_t at = args.first + to;
  const float absmax = absmax_of(args, at / kNf4Block);
  if constexpr (kWide) {
    constexpr int kWords = kElements / kGroup;
    const auto pack = *reinterpret_cast<const Pack<uint32_t, kWords>*>(args.packed + at / 2);
    for (int word = 0; word < kWords; ++word) {
      float values[kGroup];
      for (int i = 0; i < kGroup; ++i) {
        // Byte i/2 of the word; the even element of two in its high half.
        const int shift = i / 2 * 8 + (i % 2 == 0 ? 4 : 0);
        values[i] = table[(pack.value[word] >> shift) & 15u] * absmax;
      }
      store_group<kGroup>(args.type, values, args.values, to + word * kGroup);
    }
  } else {
    const uint32_t byte = args.packed[at / 2];
    const float one[1] = {table[(at % 2 == 0 ? byte >> 4 : byte) & 15u] * absmax};
    store_group<1>(args.type, one, args.values, to);
  }
}

}  // namespace

void nf4_quantize(const Nf4QuantizeArgs& args) {
  const bool wide = args.count % kGroup == 0 && aligned16(args.weight) && aligned16(args.packed);
  const int64_t per_block = kThreads * (wide ? kGroup : 2);
  const Extent grid{divide_up(args.count, per_block), 1};
  launch<Meeting::kBarriers>(wide ? nf4_quantize_kernel<kGroup> : nf4_quantize_kernel<2>, grid,
                             {kThreads, 1}, args.on.stream, args);
}

void nf4_dequantize(const Nf4DequantizeArgs& args) {
  constexpr int64_t kHalf = kNf4Block / 2;
  const bool wide = args.first % kHalf == 0 && args.count % kHalf == 0 && aligned16(args.packed) &&
                    aligned16(args.values);
  const Extent grid{divide_up(args.count, kThreads * (wide ? kHalf : 1)), 1};
  launch<Meeting::kBarriers>(wide ? nf4_dequantize_kernel<true> : nf4_dequantize_kernel<false>,
                             grid, {kThreads, 1}, args.on.stream, args);
}

}  // namespace dorabooth::gpu
