// Piece by piece of a row, which stays in the first-level cache from its rounding to its products:
// apart, these passes would take longer than the merge itself.
#include "pipelines/parts/merged_difference.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/eight_lanes.h"
#include "kernels/cpu/half_instructions.h"
#include "kernels/cpu/vector.h"

namespace dorabooth {

namespace {

using cpu::kChunk;
using cpu::kLanes;

// A vector's attributes do not survive as a template's argument; those of a member do.
struct Sixteen {
  using Vector = cpu::Floats;
  typedef int32_t Bits __attribute__((vector_size(64)));
  static constexpr int64_t kCount = kLanes;
};
struct Eight {
  using Vector = cpu::EightFloats;
  typedef int32_t Bits __attribute__((vector_size(32)));
  static constexpr int64_t kCount = cpu::kEight;
};

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

// What a row gives: the largest of each difference and of the values, products of the base
// (sums[0], sums[1]) and of what is stored (sums[2], sums[3]) with each probe, the base's squares.
struct RowFigures {
  float maxima[3] = {};
  float sums[2 * kProbeRows] = {};
  double norm2 = 0.0;
};

// A piece's figures by lane, in registers. Inlined into functions for several instruction sets.
template <typename Width>
struct Lanes {
  using Vector = typename Width::Vector;
  Vector change = {}, rounding = {}, value = {}, squares = {};
  Vector b0 = {}, b1 = {}, s0 = {}, s1 = {};

  [[gnu::always_inline]] static const Vector& loaded(const float* at) {
    return *reinterpret_cast<const Vector*>(at);
  }

  // largest = max(largest, |x|) by lane.
  [[gnu::always_inline]] static void raise(Vector& largest, const Vector& x) {
    const Vector absolute = Vector(typename Width::Bits(x) & 0x7fffffff);
    largest = absolute > largest ? absolute : largest;
  }

  [[gnu::always_inline]] void add(const Vector& base, const Vector& merged, const Vector& stored,
                                  const float* probes, int64_t stride) {
    static_assert(kProbeRows == 2);
    raise(change, merged - base);
    raise(rounding, stored - merged);
    raise(value, merged);
    squares += base * base;
    const Vector& x0 = loaded(probes);
    const Vector& x1 = loaded(probes + stride);
    b0 += base * x0;
    b1 += base * x1;
    s0 += stored * x0;
    s1 += stored * x1;
  }

  [[gnu::always_inline]] void give(RowFigures& row) const {
    const Vector all[] = {b0, b1, s0, s1, squares, change, rounding, value};
    float sums[5] = {};
    for (int64_t lane = 0; lane < Width::kCount; ++lane) {
      for (int64_t k = 0; k < 5; ++k) sums[k] += all[k][lane];
      for (int64_t k = 0; k < 3; ++k) row.maxima[k] = std::max(row.maxima[k], all[5 + k][lane]);
    }
    for (int64_t k = 0; k < 2 * kProbeRows; ++k) row.sums[k] += sums[k];
    row.norm2 += double{sums[4]};
  }
};

// Whole vectors of 16 of a piece.
template <typename Width>
[[gnu::always_inline]] inline void add_vectors(Piece<const float> piece, RowFigures& row) {
  Lanes<Width> lanes;
  const int64_t whole = piece.count / kLanes * kLanes;
  for (int64_t i = 0; i < whole; i += Width::kCount) {
    lanes.add(lanes.loaded(piece.base + i), lanes.loaded(piece.merged + i),
              lanes.loaded(piece.stored + i), piece.probes + i, piece.stride);
  }
  lanes.give(row);
}

DORABOOTH_CLONES void add_vectors_by_sixteen(Piece<const float> piece, RowFigures& row) {
  add_vectors<Sixteen>(piece, row);
}

DORABOOTH_EIGHT_LANES void add_vectors_by_eight(Piece<const float> piece, RowFigures& row) {
  add_vectors<Eight>(piece, row);
}

void add_piece(Piece<const float> piece, RowFigures& row) {
  (cpu::has_avx512() ? add_vectors_by_sixteen : add_vectors_by_eight)(piece, row);
  for (int64_t i = piece.count / kLanes * kLanes; i < piece.count; ++i) {
    row.norm2 += double{piece.base[i] * piece.base[i]};
    row.maxima[0] = std::max(row.maxima[0], std::fabs(piece.merged[i] - piece.base[i]));
    row.maxima[1] = std::max(row.maxima[1], std::fabs(piece.stored[i] - piece.merged[i]));
    row.maxima[2] = std::max(row.maxima[2], std::fabs(piece.merged[i]));
    for (int64_t k = 0; k < kProbeRows; ++k) {
      row.sums[k] += piece.base[i] * piece.probes[k * piece.stride + i];
      row.sums[kProbeRows + k] += piece.stored[i] * piece.probes[k * piece.stride + i];
    }
  }
}

#ifdef DORABOOTH_HAS_HALF_INSTRUCTIONS

// Base and file both in fp16, whole vectors: rounded, stored and compared without leaving the
// registers.
DORABOOTH_AVX512 void add_halves_by_sixteen(Piece<Float16> piece, RowFigures& row) {
  Lanes<Sixteen> lanes;
  for (int64_t i = 0; i < piece.count; i += kLanes) {
    const __m512 base = cpu::widened(piece.base + i);
    const __m512 merged = _mm512_loadu_ps(piece.merged + i);
    const __m256i bits = cpu::narrowed(merged);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(piece.stored + i), bits);
    const __m512 stored = _mm512_maskz_cvtph_ps(cpu::kAllLanes, bits);
    lanes.add(cpu::Floats(base), cpu::Floats(merged), cpu::Floats(stored), piece.probes + i,
              piece.stride);
  }
  lanes.give(row);
}

DORABOOTH_F16C void add_halves_by_eight(Piece<Float16> piece, RowFigures& row) {
  Lanes<Eight> lanes;
  for (int64_t i = 0; i < piece.count; i += Eight::kCount) {
    const __m256 base = cpu::widened_8(piece.base + i);
    const __m256 merged = _mm256_loadu_ps(piece.merged + i);
    const __m128i bits = cpu::narrowed_8(merged);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(piece.stored + i), bits);
    const __m256 stored = _mm256_cvtph_ps(bits);
    lanes.add(cpu::EightFloats(base), cpu::EightFloats(merged), cpu::EightFloats(stored),
              piece.probes + i, piece.stride);
  }
  lanes.give(row);
}

bool in_halves(const MergedBlock& block) {
  return block.base_type == ElementType::kFloat16 && block.stored_type == ElementType::kFloat16 &&
         !block.is_stored && block.columns % kLanes == 0 && (cpu::has_avx512() || cpu::has_f16c());
}

// Pieces that fp32 sums by lane are exact enough for.
constexpr int64_t kHalvesPiece = 2 * kChunk;

// A row that begins at `at`.
void add_halves(const MergedBlock& block, int64_t at, RowFigures& row) {
  for (int64_t c = 0; c < block.columns; c += kHalvesPiece) {
    (cpu::has_avx512() ? add_halves_by_sixteen : add_halves_by_eight)(
        {static_cast<const Float16*>(block.base) + at + c, block.merged + at + c,
         static_cast<Float16*>(block.stored) + at + c, block.probes + c, block.columns,
         std::min(kHalvesPiece, block.columns - c)},
        row);
  }
}

#else

bool in_halves(const MergedBlock&) { return false; }
void add_halves(const MergedBlock&, int64_t, RowFigures&) {}

#endif

// A row that begins at `at`, of any types.
void add_row(const MergedBlock& block, int64_t at, RowFigures& row) {
  float base[kChunk];
  float stored[kChunk];
  for (int64_t c = 0; c < block.columns; c += kChunk) {
    const int64_t n = std::min(kChunk, block.columns - c);
    const float* const merged = block.merged + at + c;
    if (!block.is_stored) cpu::store(block.stored_type, merged, block.stored, at + c, n);
    add_piece({cpu::load(block.base_type, block.base, at + c, n, base), merged,
               cpu::load(block.stored_type, block.stored, at + c, n, stored), block.probes + c,
               block.columns, n},
              row);
  }
}

}  // namespace

void MergedDifference::add(const MergedBlock& block) {
  const bool halves = in_halves(block);
  for (int64_t r = 0; r < block.rows; ++r) {
    RowFigures row;
    (halves ? add_halves : add_row)(block, r * block.columns, row);
    change = std::max(change, row.maxima[0]);
    rounding = std::max(rounding, row.maxima[1]);
    largest = std::max(largest, row.maxima[2]);
    block.base_norm2[r] = static_cast<float>(row.norm2);
    for (int64_t k = 0; k < kProbeRows; ++k) {
      block.base_products[k * block.product_stride + r] = row.sums[k];
      block.stored_products[k * block.product_stride + r] = row.sums[kProbeRows + k];
    }
  }
}

}  // namespace dorabooth
