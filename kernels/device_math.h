// What the kernels share: groups of elements read and written 128 bits at a time, sums over a warp
// and a block.
#pragma once

#include "kernels/adapter_core.h"
#include "kernels/launch.h"

namespace dorabooth {

// Elements that a thread handles at once: 16 bytes of a half type, two loads of 16 bytes of fp32.
inline constexpr int kGroup = 8;

template <typename T, int N>
struct alignas(sizeof(T) * N > 16 ? 16 : sizeof(T) * N) Pack {
  T value[N];
};

template <typename T, int N>
__device__ __forceinline__ void load_pack(const void* data, int64_t at, float (&out)[N]) {
  const Pack<T, N> pack = *reinterpret_cast<const Pack<T, N>*>(static_cast<const T*>(data) + at);
  for (int i = 0; i < N; ++i) out[i] = widen(pack.value[i]);
}

template <typename T, int N>
__device__ __forceinline__ void store_pack(const float (&values)[N], void* data, int64_t at) {
  Pack<T, N> pack;
  for (int i = 0; i < N; ++i) narrow(values[i], pack.value[i]);
  *reinterpret_cast<Pack<T, N>*>(static_cast<T*>(data) + at) = pack;
}

// The type is the same for all threads, so the branch costs nothing beside the memory access.
template <int N>
__device__ __forceinline__ void load_group(ElementType type, const void* data, int64_t at,
                                           float (&out)[N]) {
  if (type == ElementType::kFloat32) {
    load_pack<float, N>(data, at, out);
  } else if (type == ElementType::kFloat16) {
    load_pack<Float16, N>(data, at, out);
  } else {
    load_pack<BFloat16, N>(data, at, out);
  }
}

template <int N>
__device__ __forceinline__ void store_group(ElementType type, const float (&values)[N], void* data,
                                            int64_t at) {
  if (type == ElementType::kFloat32) {
    store_pack<float, N>(values, data, at);
  } else if (type == ElementType::kFloat16) {
    store_pack<Float16, N>(values, data, at);
  } else {
    store_pack<BFloat16, N>(values, data, at);
  }
}

// The same sum in every lane, in an order that the lane numbers alone fix.
template <typename T>
__device__ __forceinline__ T warp_sum(T value) {
  for (int mask = kWarp / 2; mask > 0; mask /= 2) value += __shfl_xor_sync(kAllLanes, value, mask);
  return value;
}

// The same for a block of kThreads threads along x; all of them call it.
template <int kThreads>
__device__ __forceinline__ double block_sum(double value) {
  __shared__ double warps[kThreads / kWarp];
  value = warp_sum(value);
  if (threadIdx.x % kWarp == 0) warps[threadIdx.x / kWarp] = value;
  __syncthreads();
  double total = 0;
  for (int warp = 0; warp < kThreads / kWarp; ++warp) total += warps[warp];
  __syncthreads();
  return total;
}

inline bool aligned16(const void* pointer) {
  return reinterpret_cast<uintptr_t>(pointer) % 16 == 0;
}

}  // namespace dorabooth
