// Vectors of 8 floats for the inner loops of processors without AVX-512: there the compiler keeps a
// 16-lane vector in memory, not in two registers. The sums are those of the 16-lane loops, bit for
// bit, where both fuse products with sums.
#pragma once

#include <cstdint>

#include "kernels/cpu/vector.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__SANITIZE_ADDRESS__)
#define DORABOOTH_EIGHT_LANES __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define DORABOOTH_EIGHT_LANES
#endif

namespace dorabooth::cpu {

typedef float EightFloats __attribute__((vector_size(32), aligned(4), may_alias));
inline constexpr int64_t kEight = 8;

[[gnu::always_inline]] inline const EightFloats& eight(const float* at) {
  return *reinterpret_cast<const EightFloats*>(at);
}
[[gnu::always_inline]] inline EightFloats& eight(float* at) {
  return *reinterpret_cast<EightFloats*>(at);
}

}  // namespace dorabooth::cpu
