// Piece by piece of a row, which stays in the first-level cache from its rounding to its products:
// apart, these passes would take longer than the merge itself.
#include "pipelines/parts/merged_difference.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/half_instructions.h"
#include "kernels/cpu/vector.h"

namespace dorabooth {

namespace {

using cpu::Floats;
using cpu::kChunk;
using cpu::kLanes;

const Floats& loaded(const float* at) { return *reinterpret_cast<const Floats*>(at); }

float largest_lane(const Floats& x) {
  float largest = 0.0f;
  for (int64_t lane = 0; lane < kLanes; ++lane) largest = std::max(largest, x[lane]);
  return largest;
}

float sum_of_lanes(const Floats& x) {
  float sum = 0.0f;
  for (int64_t lane = 0; lane < kLanes; ++lane) sum += x[lane];
  return sum;
}

// `count` numbers of one row; probe i at probes + i · stride.
template <typename Number>
struct Piece {
  const Number* base;
  const float* merged;
  Number* stored;
  const float* probes;
  int64_t stride;
  int64_t count;
};

// What a piece gives: products of the base and of what is stored with each probe, the largest of
// each difference, the base's squares. Inlined into functions for several instruction sets.
struct Lanes {
  Floats change = {}, rounding = {}, value = {}, squares = {};
  Floats b0 = {}, b1 = {}, b2 = {}, b3 = {}, s0 = {}, s1 = {}, s2 = {}, s3 = {};

  [[gnu::always_inline]] void add(const Floats& base, const Floats& merged, const Floats& stored,
                                  const float* probes, int64_t stride) {
    // |x| is the larger of x and −x.
    Floats x = merged - base;
    x = x > -x ? x : -x;
    change = x > change ? x : change;
    x = stored - merged;
    x = x > -x ? x : -x;
    rounding = x > rounding ? x : rounding;
    x = merged > -merged ? merged : -merged;
    value = x > value ? x : value;
    squares += base * base;
    const Floats& x0 = loaded(probes);
    const Floats& x1 = loaded(probes + stride);
    const Floats& x2 = loaded(probes + 2 * stride);
    const Floats& x3 = loaded(probes + 3 * stride);
    b0 += base * x0;
    b1 += base * x1;
    b2 += base * x2;
    b3 += base * x3;
    s0 += stored * x0;
    s1 += stored * x1;
    s2 += stored * x2;
    s3 += stored * x3;
  }

  [[gnu::always_inline]] void give(float* maxima, float* sums, double& norm2) const {
    maxima[0] = std::max(maxima[0], largest_lane(change));
    maxima[1] = std::max(maxima[1], largest_lane(rounding));
    maxima[2] = std::max(maxima[2], largest_lane(value));
    const Floats* const all[2 * kProbeRows] = {&b0, &b1, &b2, &b3, &s0, &s1, &s2, &s3};
    for (int64_t k = 0; k < 2 * kProbeRows; ++k) sums[k] += sum_of_lanes(*all[k]);
    norm2 += double{sum_of_lanes(squares)};
  }
};

// Adds products to sums[0 … 3] of the base and sums[4 … 7] of what is stored, and squares to norm2.
DORABOOTH_CLONES void add_piece(const Piece<const float>& piece, float* maxima, float* sums,
                                double& norm2) {
  Lanes lanes;
  int64_t i = 0;
  for (; i + kLanes <= piece.count; i += kLanes) {
    lanes.add(loaded(piece.base + i), loaded(piece.merged + i), loaded(piece.stored + i),
              piece.probes + i, piece.stride);
  }
  lanes.give(maxima, sums, norm2);
  for (; i < piece.count; ++i) {
    norm2 += double{piece.base[i] * piece.base[i]};
    maxima[0] = std::max(maxima[0], std::fabs(piece.merged[i] - piece.base[i]));
    maxima[1] = std::max(maxima[1], std::fabs(piece.stored[i] - piece.merged[i]));
    maxima[2] = std::max(maxima[2], std::fabs(piece.merged[i]));
    for (int64_t k = 0; k < kProbeRows; ++k) {
      sums[k] += piece.base[i] * piece.probes[k * piece.stride + i];
      sums[kProbeRows + k] += piece.stored[i] * piece.probes[k * piece.stride + i];
    }
  }
}

#ifdef DORABOOTH_HAS_HALF_INSTRUCTIONS

// Base and file both in fp16, whole vectors: rounded, stored and compared without leaving the
// registers.
DORABOOTH_AVX512 void add_half_piece(const Piece<Float16>& piece, float* maxima, float* sums,
                                     double& norm2) {
  Lanes lanes;
  for (int64_t i = 0; i < piece.count; i += kLanes) {
    const __m512 base = cpu::widened(piece.base + i);
    const __m512 merged = _mm512_loadu_ps(piece.merged + i);
    const __m256i bits = cpu::narrowed(merged);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(piece.stored + i), bits);
    const __m512 stored = _mm512_maskz_cvtph_ps(cpu::kAllLanes, bits);
    lanes.add(Floats(base), Floats(merged), Floats(stored), piece.probes + i, piece.stride);
  }
  lanes.give(maxima, sums, norm2);
}

// False where it is not for this.
bool add_halves(const MergedBlock& block, int64_t at, int64_t column, int64_t n, float* maxima,
                float* sums, double& norm2) {
  const bool halves =
      block.base_type == ElementType::kFloat16 && block.stored_type == ElementType::kFloat16;
  if (!halves || block.is_stored || n % kLanes != 0 || !cpu::has_avx512()) return false;
  add_half_piece(
      {static_cast<const Float16*>(block.base) + at, block.merged + at,
       static_cast<Float16*>(block.stored) + at, block.probes + column, block.columns, n},
      maxima, sums, norm2);
  return true;
}

#else

bool add_halves(const MergedBlock&, int64_t, int64_t, int64_t, float*, float*, double&) {
  return false;
}

#endif

}  // namespace

void MergedDifference::add(const MergedBlock& block) {
  float maxima[3] = {change, rounding, largest};
  float base[kChunk];
  float stored[kChunk];
  for (int64_t row = 0; row < block.rows; ++row) {
    float sums[2 * kProbeRows] = {};
    double norm2 = 0.0;
    for (int64_t c = 0; c < block.columns; c += kChunk) {
      const int64_t n = std::min(kChunk, block.columns - c);
      const int64_t at = row * block.columns + c;
      if (add_halves(block, at, c, n, maxima, sums, norm2)) continue;
      if (!block.is_stored) {
        cpu::store(block.stored_type, block.merged + at, block.stored, at, n);
      }
      add_piece({cpu::load(block.base_type, block.base, at, n, base), block.merged + at,
                 cpu::load(block.stored_type, block.stored, at, n, stored), block.probes + c,
                 block.columns, n},
                maxima, sums, norm2);
    }
    block.base_norm2[row] = static_cast<float>(norm2);
    for (int64_t k = 0; k < kProbeRows; ++k) {
      block.base_products[k * block.product_stride + row] = sums[k];
      block.stored_products[k * block.product_stride + row] = sums[kProbeRows + k];
    }
  }
  change = maxima[0];
  rounding = maxima[1];
  largest = maxima[2];
}

}  // namespace dorabooth
