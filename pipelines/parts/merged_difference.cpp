// Piece by piece of a row, which stays in the first-level cache from its rounding to its products:
// apart, these passes would take longer than the merge itself.
#include "pipelines/parts/merged_difference.h"

#include <algorithm>
#include <cmath>

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

// `count` numbers of one row.
struct Piece {
  const float* base;
  const float* merged;
  const float* stored;
  const float* probes;  // probe i at i · stride
  int64_t stride;
  int64_t count;
};

// Adds the piece's products to sums[0 … 3] of the base and sums[4 … 7] of what is stored, and the
// base's squares to norm2.
DORABOOTH_CLONES void add_piece(const Piece& piece, float* maxima, float* sums, double& norm2) {
  Floats change = {}, rounding = {}, value = {}, squares = {};
  Floats b0 = {}, b1 = {}, b2 = {}, b3 = {}, s0 = {}, s1 = {}, s2 = {}, s3 = {};
  const float* const x0 = piece.probes;
  const float* const x1 = x0 + piece.stride;
  const float* const x2 = x1 + piece.stride;
  const float* const x3 = x2 + piece.stride;
  int64_t i = 0;
  for (; i + kLanes <= piece.count; i += kLanes) {
    const Floats base = loaded(piece.base + i);
    const Floats merged = loaded(piece.merged + i);
    const Floats stored = loaded(piece.stored + i);
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
    b0 += base * loaded(x0 + i);
    b1 += base * loaded(x1 + i);
    b2 += base * loaded(x2 + i);
    b3 += base * loaded(x3 + i);
    s0 += stored * loaded(x0 + i);
    s1 += stored * loaded(x1 + i);
    s2 += stored * loaded(x2 + i);
    s3 += stored * loaded(x3 + i);
  }
  maxima[0] = std::max(maxima[0], largest_lane(change));
  maxima[1] = std::max(maxima[1], largest_lane(rounding));
  maxima[2] = std::max(maxima[2], largest_lane(value));
  const Floats* const all[2 * kProbeRows] = {&b0, &b1, &b2, &b3, &s0, &s1, &s2, &s3};
  for (int64_t k = 0; k < 2 * kProbeRows; ++k) sums[k] += sum_of_lanes(*all[k]);
  norm2 += double{sum_of_lanes(squares)};
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
      if (!block.is_stored) {
        cpu::store(block.stored_type, block.merged + at, block.stored, at, n);
      }
      const Piece piece = {cpu::load(block.base_type, block.base, at, n, base),
                           block.merged + at,
                           cpu::load(block.stored_type, block.stored, at, n, stored),
                           block.probes + c,
                           block.columns,
                           n};
      add_piece(piece, maxima, sums, norm2);
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
