// The processor's own conversions of fp16, 16 or 8 numbers at a time: a fifth of the instructions
// of the plain ones, which the compiler does not replace. Their callers carry DORABOOTH_AVX512 or
// DORABOOTH_F16C and run only where has_avx512() or has_f16c().
#pragma once

#include "kernels/element.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define DORABOOTH_HAS_HALF_INSTRUCTIONS
#include <immintrin.h>
#define DORABOOTH_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl")))
#define DORABOOTH_F16C __attribute__((target("avx2,f16c,fma")))
#endif

namespace dorabooth::cpu {

#ifdef DORABOOTH_HAS_HALF_INSTRUCTIONS

inline bool has_avx512() {
  static const bool has = __builtin_cpu_supports("avx512f") != 0 &&
                          __builtin_cpu_supports("avx512bw") != 0 &&
                          __builtin_cpu_supports("avx512vl") != 0;
  return has;
}

// Masked forms with all lanes: the plain ones of g++ 12 warn of its own uninitialised operand.
inline constexpr __mmask16 kAllLanes = 0xffff;

DORABOOTH_AVX512 inline __m512 widened(const Float16* in) {
  return _mm512_maskz_cvtph_ps(kAllLanes, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in)));
}

// To nearest even.
DORABOOTH_AVX512 inline __m256i narrowed(__m512 values) {
  return _mm512_maskz_cvtps_ph(kAllLanes, values, _MM_FROUND_TO_NEAREST_INT);
}

inline bool has_f16c() {
  static const bool has = __builtin_cpu_supports("avx2") != 0 &&
                          __builtin_cpu_supports("f16c") != 0 && __builtin_cpu_supports("fma") != 0;
  return has;
}

DORABOOTH_F16C inline __m256 widened_8(const Float16* in) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in)));
}

// To nearest even.
DORABOOTH_F16C inline __m128i narrowed_8(__m256 values) {
  return _mm256_cvtps_ph(values, _MM_FROUND_TO_NEAREST_INT);
}

#else

inline bool has_avx512() { return false; }
inline bool has_f16c() { return false; }

#endif

}  // namespace dorabooth::cpu
