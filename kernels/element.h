// bfloat16 and float16 as bit patterns: widening is exact, narrowing rounds to nearest even.
// Branch-free, so that loops over them vectorise; without the headers of any vendor.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/philox.h"

#if defined(__CUDACC__)
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#endif

namespace dorabooth {

struct BFloat16 {
  uint16_t bits;
};
struct Float16 {
  uint16_t bits;
};

DORABOOTH_HOST_DEVICE inline uint32_t float_bits(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof(bits));
  return bits;
}

DORABOOTH_HOST_DEVICE inline float float_from_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof(value));
  return value;
}

DORABOOTH_HOST_DEVICE inline float widen(float value) { return value; }

DORABOOTH_HOST_DEVICE inline float widen(BFloat16 value) {
  return float_from_bits(static_cast<uint32_t>(value.bits) << 16);
}

DORABOOTH_HOST_DEVICE inline float widen(Float16 value) {
#if defined(__CUDA_ARCH__)
  return __half2float(__ushort_as_half(value.bits));
#else
  const uint32_t magnitude = static_cast<uint32_t>(value.bits & 0x7fffu) << 13;
  // 2^112 moves the exponent's bias from 15 to 127 and normalises subnormals.
  const float finite = float_from_bits(magnitude) * 0x1p112f;
  const uint32_t special = magnitude | 0x7f800000u;
  const uint32_t sign = static_cast<uint32_t>(value.bits & 0x8000u) << 16;
  const uint32_t bits = magnitude >= (31u << 23) ? special : float_bits(finite);
  return float_from_bits(bits | sign);
#endif
}

DORABOOTH_HOST_DEVICE inline void narrow(float value, float& out) { out = value; }

DORABOOTH_HOST_DEVICE inline void narrow(float value, BFloat16& out) {
#if defined(__CUDA_ARCH__)
  out.bits = __bfloat16_as_ushort(__float2bfloat16_rn(value));
#else
  const uint32_t bits = float_bits(value);
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const uint32_t quiet_nan = (bits >> 16) | 0x40u;
  out.bits = static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? quiet_nan : rounded);
#endif
}

DORABOOTH_HOST_DEVICE inline void narrow(float value, Float16& out) {
#if defined(__CUDA_ARCH__)
  out.bits = __half_as_ushort(__float2half_rn(value));
#else
  const uint32_t bits = float_bits(value);
  const uint32_t sign = (bits >> 16) & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  // Adding 0.5 lines the last kept bit of a half subnormal up with the float's last bit.
  const uint32_t subnormal = float_bits(float_from_bits(magnitude) + 0.5f) - 0x3f000000u;
  const uint32_t normal = (magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  uint32_t half = magnitude < 0x38800000u ? subnormal : normal;
  half = magnitude >= 0x47800000u ? 0x7c00u : half;
  half = magnitude > 0x7f800000u ? 0x7e00u : half;
  out.bits = static_cast<uint16_t>(half | sign);
#endif
}

}  // namespace dorabooth
