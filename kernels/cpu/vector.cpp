// The loops that several CPU twins share: conversions, sums of squares, a low-rank product added to
// rows.
#include "kernels/cpu/vector.h"

#include <algorithm>

#include "kernels/cpu/eight_lanes.h"
#include "kernels/cpu/half_instructions.h"

namespace dorabooth::cpu {

const float kZeros[kChunk] = {};

namespace {

// What a thread keeps: a few buffers, none large.
constexpr size_t kMostKept = 6;
constexpr int64_t kLargestKept = 1 << 20;
thread_local std::vector<Scratch::Buffer> kept;

DORABOOTH_CLONES void widen_bfloat16(const BFloat16* in, float* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = widen(in[i]);
}

DORABOOTH_CLONES void widen_float16_plainly(const Float16* in, float* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = widen(in[i]);
}

DORABOOTH_CLONES void narrow_bfloat16(const float* in, BFloat16* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) narrow(in[i], out[i]);
}

DORABOOTH_CLONES void narrow_float16_plainly(const float* in, Float16* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) narrow(in[i], out[i]);
}

#ifdef DORABOOTH_HAS_HALF_INSTRUCTIONS

DORABOOTH_AVX512 void widen_float16_512(const Float16* in, float* out, int64_t n) {
  for (int64_t i = 0; i < n; i += kLanes) {
    _mm512_storeu_ps(out + i, widened(in + i));
  }
}

DORABOOTH_AVX512 void narrow_float16_512(const float* in, Float16* out, int64_t n) {
  for (int64_t i = 0; i < n; i += kLanes) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i), narrowed(_mm512_loadu_ps(in + i)));
  }
}

// As narrow() to bfloat16; a number that was fp16 is normal in fp32.
DORABOOTH_AVX512 void float16_to_bfloat16_512(const Float16* in, BFloat16* out, int64_t n) {
  const __m512i half = _mm512_set1_epi32(0x7fff);
  const __m512i one = _mm512_set1_epi32(1);
  const __m512i quiet = _mm512_set1_epi32(0x40);
  for (int64_t i = 0; i < n; i += kLanes) {
    const __m512 value = widened(in + i);
    const __m512i bits = _mm512_castps_si512(value);
    const __m512i upper = _mm512_maskz_srli_epi32(kAllLanes, bits, 16);
    const __m512i odd = _mm512_and_si512(upper, one);
    const __m512i rounded =
        _mm512_maskz_srli_epi32(kAllLanes, _mm512_add_epi32(_mm512_add_epi32(bits, half), odd), 16);
    const __mmask16 is_nan = _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q);
    const __m512i result = _mm512_mask_or_epi32(rounded, is_nan, upper, quiet);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i),
                        _mm512_maskz_cvtepi32_epi16(kAllLanes, result));
  }
}

DORABOOTH_F16C void widen_float16_256(const Float16* in, float* out, int64_t n) {
  for (int64_t i = 0; i < n; i += kLanes / 2) _mm256_storeu_ps(out + i, widened_8(in + i));
}

DORABOOTH_F16C void narrow_float16_256(const float* in, Float16* out, int64_t n) {
  for (int64_t i = 0; i < n; i += kLanes / 2) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), narrowed_8(_mm256_loadu_ps(in + i)));
  }
}

DORABOOTH_F16C void float16_to_bfloat16_256(const Float16* in, BFloat16* out, int64_t n) {
  const __m256i half = _mm256_set1_epi32(0x7fff);
  const __m256i one = _mm256_set1_epi32(1);
  const __m256i quiet = _mm256_set1_epi32(0x40);
  for (int64_t i = 0; i < n; i += kLanes / 2) {
    const __m256 value = widened_8(in + i);
    const __m256i bits = _mm256_castps_si256(value);
    const __m256i upper = _mm256_srli_epi32(bits, 16);
    const __m256i odd = _mm256_and_si256(upper, one);
    const __m256i rounded =
        _mm256_srli_epi32(_mm256_add_epi32(_mm256_add_epi32(bits, half), odd), 16);
    const __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(value, value, _CMP_UNORD_Q));
    const __m256i result = _mm256_blendv_epi8(rounded, _mm256_or_si256(upper, quiet), is_nan);
    _mm_storeu_si128(
        reinterpret_cast<__m128i*>(out + i),
        _mm_packus_epi32(_mm256_castsi256_si128(result), _mm256_extracti128_si256(result, 1)));
  }
}

// Whole vectors by the processor's instructions where it has them; how many numbers that were.
int64_t widen_vectors(const Float16* in, float* out, int64_t n) {
  const int64_t whole = n / kLanes * kLanes;
  if (has_avx512()) return widen_float16_512(in, out, whole), whole;
  if (has_f16c()) return widen_float16_256(in, out, whole), whole;
  return 0;
}

int64_t narrow_vectors(const float* in, Float16* out, int64_t n) {
  const int64_t whole = n / kLanes * kLanes;
  if (has_avx512()) return narrow_float16_512(in, out, whole), whole;
  if (has_f16c()) return narrow_float16_256(in, out, whole), whole;
  return 0;
}

int64_t convert_vectors(const Float16* in, BFloat16* out, int64_t n) {
  const int64_t whole = n / kLanes * kLanes;
  if (has_avx512()) return float16_to_bfloat16_512(in, out, whole), whole;
  if (has_f16c()) return float16_to_bfloat16_256(in, out, whole), whole;
  return 0;
}

#else

int64_t widen_vectors(const Float16*, float*, int64_t) { return 0; }
int64_t narrow_vectors(const float*, Float16*, int64_t) { return 0; }
int64_t convert_vectors(const Float16*, BFloat16*, int64_t) { return 0; }

#endif

void widen_float16(const Float16* in, float* out, int64_t n) {
  const int64_t whole = widen_vectors(in, out, n);
  if (whole < n) widen_float16_plainly(in + whole, out + whole, n - whole);
}

void narrow_float16(const float* in, Float16* out, int64_t n) {
  const int64_t whole = narrow_vectors(in, out, n);
  if (whole < n) narrow_float16_plainly(in + whole, out + whole, n - whole);
}

// n ≤ kChunk: short enough for sums in fp32 of 16 lanes.
DORABOOTH_CLONES double square_sum_chunk(const float* x, int64_t n) {
  Floats sums = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const Floats v = *reinterpret_cast<const Floats*>(x + i);
    sums += v * v;
  }
  double total = 0;
  for (int64_t lane = 0; lane < kLanes; ++lane) total += static_cast<double>(sums[lane]);
  for (; i < n; ++i) total += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return total;
}

DORABOOTH_EIGHT_LANES double square_sum_chunk_by_eight(const float* x, int64_t n) {
  EightFloats low = {}, high = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    low += eight(x + i) * eight(x + i);
    high += eight(x + i + kEight) * eight(x + i + kEight);
  }
  double total = 0;
  for (int64_t lane = 0; lane < kEight; ++lane) total += static_cast<double>(low[lane]);
  for (int64_t lane = 0; lane < kEight; ++lane) total += static_cast<double>(high[lane]);
  for (; i < n; ++i) total += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return total;
}

// A tile of 4 rows × 32 columns of the product stays in registers over the whole rank.
DORABOOTH_CLONES void add_low_rank_4(float* const* values, int64_t n, const float* up,
                                     int64_t up_stride, int64_t rank, const float* down,
                                     int64_t stride, float scale) {
  const float* up1 = up + up_stride;
  const float* up2 = up + 2 * up_stride;
  const float* up3 = up + 3 * up_stride;
  int64_t c = 0;
  for (; c + 2 * kLanes <= n; c += 2 * kLanes) {
    Floats a0 = {}, a1 = {}, b0 = {}, b1 = {}, c0 = {}, c1 = {}, d0 = {}, d1 = {};
    for (int64_t k = 0; k < rank; ++k) {
      const Floats x0 = *reinterpret_cast<const Floats*>(down + k * stride + c);
      const Floats x1 = *reinterpret_cast<const Floats*>(down + k * stride + c + kLanes);
      a0 += up[k] * x0;
      a1 += up[k] * x1;
      b0 += up1[k] * x0;
      b1 += up1[k] * x1;
      c0 += up2[k] * x0;
      c1 += up2[k] * x1;
      d0 += up3[k] * x0;
      d1 += up3[k] * x1;
    }
    *reinterpret_cast<Floats*>(values[0] + c) += scale * a0;
    *reinterpret_cast<Floats*>(values[0] + c + kLanes) += scale * a1;
    *reinterpret_cast<Floats*>(values[1] + c) += scale * b0;
    *reinterpret_cast<Floats*>(values[1] + c + kLanes) += scale * b1;
    *reinterpret_cast<Floats*>(values[2] + c) += scale * c0;
    *reinterpret_cast<Floats*>(values[2] + c + kLanes) += scale * c1;
    *reinterpret_cast<Floats*>(values[3] + c) += scale * d0;
    *reinterpret_cast<Floats*>(values[3] + c + kLanes) += scale * d1;
  }
  for (; c < n; ++c) {
    for (int64_t row = 0; row < 4; ++row) {
      float sum = 0;
      for (int64_t k = 0; k < rank; ++k) sum += up[row * up_stride + k] * down[k * stride + c];
      values[row][c] += scale * sum;
    }
  }
}

// values[row][0 … 8·kVectors] += scale · up · down of 4 rows: 4·kVectors sums in registers.
template <int kVectors>
[[gnu::always_inline]] inline void add_low_rank_tile(float* const* values, int64_t c,
                                                     const float* up, int64_t up_stride,
                                                     int64_t rank, const float* down,
                                                     int64_t stride, float scale) {
  EightFloats sums[4][kVectors] = {};
  for (int64_t k = 0; k < rank; ++k) {
    const float* const row = down + k * stride + c;
    __builtin_prefetch(row + kVectors * kEight);
    EightFloats x[kVectors];
#pragma GCC unroll 3
    for (int v = 0; v < kVectors; ++v) x[v] = eight(row + v * kEight);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const float u = up[i * up_stride + k];
#pragma GCC unroll 3
      for (int v = 0; v < kVectors; ++v) sums[i][v] += u * x[v];
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
#pragma GCC unroll 3
    for (int v = 0; v < kVectors; ++v) eight(values[i] + c + v * kEight) += scale * sums[i][v];
  }
}

// The same by tiles of 24 columns.
DORABOOTH_EIGHT_LANES void add_low_rank_4_by_eight(float* const* values, int64_t n, const float* up,
                                                   int64_t up_stride, int64_t rank,
                                                   const float* down, int64_t stride, float scale) {
  int64_t c = 0;
  for (; c + 3 * kEight <= n; c += 3 * kEight) {
    add_low_rank_tile<3>(values, c, up, up_stride, rank, down, stride, scale);
  }
  for (; c + kEight <= n; c += kEight) {
    add_low_rank_tile<1>(values, c, up, up_stride, rank, down, stride, scale);
  }
  for (; c < n; ++c) {
    for (int64_t row = 0; row < 4; ++row) {
      float sum = 0;
      for (int64_t k = 0; k < rank; ++k) sum += up[row * up_stride + k] * down[k * stride + c];
      values[row][c] += scale * sum;
    }
  }
}

DORABOOTH_CLONES void add_low_rank_1(float* values, int64_t n, const float* up, int64_t rank,
                                     const float* down, int64_t stride, float scale) {
  int64_t c = 0;
  for (; c + 2 * kLanes <= n; c += 2 * kLanes) {
    Floats a0 = {}, a1 = {};
    for (int64_t k = 0; k < rank; ++k) {
      a0 += up[k] * *reinterpret_cast<const Floats*>(down + k * stride + c);
      a1 += up[k] * *reinterpret_cast<const Floats*>(down + k * stride + c + kLanes);
    }
    *reinterpret_cast<Floats*>(values + c) += scale * a0;
    *reinterpret_cast<Floats*>(values + c + kLanes) += scale * a1;
  }
  for (; c < n; ++c) {
    float sum = 0;
    for (int64_t k = 0; k < rank; ++k) sum += up[k] * down[k * stride + c];
    values[c] += scale * sum;
  }
}

}  // namespace

Scratch::Scratch(int64_t count) {
  // The smallest that is large enough.
  size_t best = kept.size();
  for (size_t i = 0; i < kept.size(); ++i) {
    const bool fits = kept[i].size >= count;
    if (fits && (best == kept.size() || kept[i].size < kept[best].size)) best = i;
  }
  if (best < kept.size()) {
    buffer_ = std::move(kept[best]);
    kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(best));
  } else {
    buffer_ = {std::unique_ptr<float[]>(new float[static_cast<size_t>(count)]), count};
  }
}

Scratch::~Scratch() {
  if (buffer_.size > kLargestKept) return;
  if (kept.size() == kMostKept) {
    const auto smallest = std::min_element(
        kept.begin(), kept.end(), [](const auto& a, const auto& b) { return a.size < b.size; });
    if (smallest->size >= buffer_.size) return;
    kept.erase(smallest);
  }
  kept.push_back(std::move(buffer_));
}

const float* load(ElementType type, const void* data, int64_t first, int64_t n, float* buffer) {
  if (type == ElementType::kFloat32) return static_cast<const float*>(data) + first;
  copy(type, data, first, n, buffer);
  return buffer;
}

void copy(ElementType type, const void* data, int64_t first, int64_t n, float* out) {
  switch (type) {
    case ElementType::kFloat32:
      std::copy_n(static_cast<const float*>(data) + first, n, out);
      break;
    case ElementType::kFloat16:
      widen_float16(static_cast<const Float16*>(data) + first, out, n);
      break;
    case ElementType::kBFloat16:
      widen_bfloat16(static_cast<const BFloat16*>(data) + first, out, n);
      break;
  }
}

std::vector<float> row_of_floats(const void* data, ElementType type, int64_t n, float absent) {
  std::vector<float> values(static_cast<size_t>(n), absent);
  if (data != nullptr) copy(type, data, 0, n, values.data());
  return values;
}

void store(ElementType type, const float* values, void* data, int64_t first, int64_t n) {
  switch (type) {
    case ElementType::kFloat32: {
      float* out = static_cast<float*>(data) + first;
      if (out != values) std::copy_n(values, n, out);
      break;
    }
    case ElementType::kFloat16:
      narrow_float16(values, static_cast<Float16*>(data) + first, n);
      break;
    case ElementType::kBFloat16:
      narrow_bfloat16(values, static_cast<BFloat16*>(data) + first, n);
      break;
  }
}

void convert(ElementType from, const void* in, ElementType to, void* out, int64_t n) {
  int64_t first = 0;
  if (from == ElementType::kFloat16 && to == ElementType::kBFloat16) {
    first = convert_vectors(static_cast<const Float16*>(in), static_cast<BFloat16*>(out), n);
  }
  float buffer[kChunk];
  for (; first < n; first += kChunk) {
    const int64_t count = std::min(kChunk, n - first);
    store(to, load(from, in, first, count, buffer), out, first, count);
  }
}

double square_sum(const float* x, int64_t n) {
  const auto chunk = has_avx512() ? square_sum_chunk : square_sum_chunk_by_eight;
  double total = 0;
  for (int64_t i = 0; i < n; i += kChunk) total += chunk(x + i, std::min(kChunk, n - i));
  return total;
}

void add_low_rank(float* const* values, int64_t rows, int64_t n, const float* up, int64_t up_stride,
                  int64_t rank, const float* down, int64_t stride, float scale) {
  if (rank == 0) return;
  if (rows == 4) {
    (has_avx512() ? add_low_rank_4 : add_low_rank_4_by_eight)(values, n, up, up_stride, rank, down,
                                                              stride, scale);
    return;
  }
  for (int64_t row = 0; row < rows; ++row) {
    add_low_rank_1(values[row], n, up + row * up_stride, rank, down, stride, scale);
  }
}

}  // namespace dorabooth::cpu
