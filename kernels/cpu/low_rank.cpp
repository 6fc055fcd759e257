// Products between the wide side of a layer and the few columns of a low-rank factor. A tile of
// sums stays in registers; wide rows in half precision are widened piece by piece into the
// first-level cache.
#include "kernels/cpu/low_rank.h"

#include <algorithm>

#include "kernels/cpu/eight_lanes.h"
#include "kernels/cpu/half_instructions.h"

namespace dorabooth::cpu {

namespace {

int64_t padded(int64_t rank) { return (rank + kLanes - 1) / kLanes * kLanes; }

// 16 × 16 by four rounds that interleave rows i and i + 8.
DORABOOTH_CLONES void transpose_block(const float* in, int64_t in_stride, float* out,
                                      int64_t out_stride) {
  Floats rows[kLanes];
  Floats mixed[kLanes];
  for (int64_t i = 0; i < kLanes; ++i)
    rows[i] = *reinterpret_cast<const Floats*>(in + i * in_stride);
  for (int round = 0; round < 4; ++round) {
    for (int64_t i = 0; i < kLanes / 2; ++i) {
      const Floats a = rows[i];
      const Floats b = rows[i + kLanes / 2];
      mixed[2 * i] =
          __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      mixed[2 * i + 1] = __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29,
                                                 14, 30, 15, 31);
    }
    for (int64_t i = 0; i < kLanes; ++i) rows[i] = mixed[i];
  }
  for (int64_t i = 0; i < kLanes; ++i) *reinterpret_cast<Floats*>(out + i * out_stride) = rows[i];
}

// sums[i] = Σ_c rows[i][c]·factor[c·stride …], 16 ranks at once, for kProductRows rows and n ≤
// kChunk. Meanwhile `ahead_bytes` of each row's next piece are fetched: the matrix comes from
// memory.
DORABOOTH_CLONES void add_products(const float* const* rows, const float* factor, int64_t stride,
                                   int64_t n, const char* const* ahead, int64_t ahead_bytes,
                                   double* sums, int64_t sums_stride) {
  Floats s0 = {}, s1 = {}, s2 = {}, s3 = {}, s4 = {}, s5 = {}, s6 = {}, s7 = {};
  const int64_t bytes_per_step = (ahead_bytes + n - 1) / n * kLanes;
  for (int64_t begin = 0; begin < n; begin += kLanes) {
    const int64_t at = begin / kLanes * bytes_per_step;
    if (at < ahead_bytes) {
      for (int64_t i = 0; i < kProductRows; ++i) __builtin_prefetch(ahead[i] + at);
    }
    const int64_t end = std::min(begin + kLanes, n);
    for (int64_t c = begin; c < end; ++c) {
      const Floats x = *reinterpret_cast<const Floats*>(factor + c * stride);
      s0 += rows[0][c] * x;
      s1 += rows[1][c] * x;
      s2 += rows[2][c] * x;
      s3 += rows[3][c] * x;
      s4 += rows[4][c] * x;
      s5 += rows[5][c] * x;
      s6 += rows[6][c] * x;
      s7 += rows[7][c] * x;
    }
  }
  const Floats* all[kProductRows] = {&s0, &s1, &s2, &s3, &s4, &s5, &s6, &s7};
  for (int64_t i = 0; i < kProductRows; ++i) {
    Doubles& sum = *reinterpret_cast<Doubles*>(sums + i * sums_stride);
    sum += __builtin_convertvector(*all[i], Doubles);
  }
}

// Columns of the factor that stay in a first-level cache of 32 KB while all rows use them.
constexpr int64_t kFactorColumns = 256;

// sums[0 … 7] += 4 rows and 16 ranks, kept in registers over n columns.
[[gnu::always_inline]] inline void add_four_products(const float* const* row, const float* factor,
                                                     int64_t stride, int64_t n, float* sums) {
  EightFloats a0 = eight(sums), a1 = eight(sums + kEight);
  EightFloats b0 = eight(sums + 2 * kEight), b1 = eight(sums + 3 * kEight);
  EightFloats c0 = eight(sums + 4 * kEight), c1 = eight(sums + 5 * kEight);
  EightFloats d0 = eight(sums + 6 * kEight), d1 = eight(sums + 7 * kEight);
  const float *const a = row[0], *const b = row[1], *const c = row[2], *const d = row[3];
  for (int64_t i = 0; i < n; ++i) {
    const EightFloats x0 = eight(factor + i * stride);
    const EightFloats x1 = eight(factor + i * stride + kEight);
    a0 += a[i] * x0;
    a1 += a[i] * x1;
    b0 += b[i] * x0;
    b1 += b[i] * x1;
    c0 += c[i] * x0;
    c1 += c[i] * x1;
    d0 += d[i] * x0;
    d1 += d[i] * x1;
  }
  eight(sums) = a0, eight(sums + kEight) = a1;
  eight(sums + 2 * kEight) = b0, eight(sums + 3 * kEight) = b1;
  eight(sums + 4 * kEight) = c0, eight(sums + 5 * kEight) = c1;
  eight(sums + 6 * kEight) = d0, eight(sums + 7 * kEight) = d1;
}

// The same, 4 rows at a time.
DORABOOTH_EIGHT_LANES void add_products_by_eight(const float* const* rows, const float* factor,
                                                 int64_t stride, int64_t n,
                                                 const char* const* ahead, int64_t ahead_bytes,
                                                 double* sums, int64_t sums_stride) {
  float sum[kProductRows * kLanes] = {};
  constexpr int64_t kLine = 64;
  int64_t fetched = 0;
  for (int64_t c = 0; c < n; c += kFactorColumns) {
    const int64_t count = std::min(kFactorColumns, n - c);
    const int64_t fetch = ahead_bytes * (c + count) / n;
    for (; fetched < fetch; fetched += kLine) {
      for (int64_t i = 0; i < kProductRows; ++i) __builtin_prefetch(ahead[i] + fetched);
    }
    for (int64_t first = 0; first < kProductRows; first += 4) {
      const float* const* row = rows + first;
      const float* const piece[4] = {row[0] + c, row[1] + c, row[2] + c, row[3] + c};
      add_four_products(piece, factor + c * stride, stride, count, sum + first * kLanes);
    }
  }
  for (int64_t i = 0; i < kProductRows; ++i) {
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      sums[i * sums_stride + lane] += static_cast<double>(sum[i * kLanes + lane]);
    }
  }
}

// Ranks and columns of a gradient that stay in registers over the tokens.
constexpr int64_t kTileRanks = 8;
constexpr int64_t kTileColumns = 2 * kLanes;
constexpr int64_t kTileTokens = 128;

// tile[k][c] += Σ_t narrow[t·narrow_stride + k]·wide[t·wide_stride + c], 8 ranks and 32 columns.
DORABOOTH_CLONES void add_gradient_tile(const float* narrow, int64_t narrow_stride,
                                        const float* wide, int64_t wide_stride, int64_t tokens,
                                        float* tile) {
  Floats* sums = reinterpret_cast<Floats*>(tile);
  Floats a0 = sums[0], a1 = sums[1], b0 = sums[2], b1 = sums[3], c0 = sums[4], c1 = sums[5],
         d0 = sums[6], d1 = sums[7], e0 = sums[8], e1 = sums[9], f0 = sums[10], f1 = sums[11],
         g0 = sums[12], g1 = sums[13], h0 = sums[14], h1 = sums[15];
  for (int64_t t = 0; t < tokens; ++t) {
    const Floats x0 = *reinterpret_cast<const Floats*>(wide + t * wide_stride);
    const Floats x1 = *reinterpret_cast<const Floats*>(wide + t * wide_stride + kLanes);
    const float* u = narrow + t * narrow_stride;
    a0 += u[0] * x0;
    a1 += u[0] * x1;
    b0 += u[1] * x0;
    b1 += u[1] * x1;
    c0 += u[2] * x0;
    c1 += u[2] * x1;
    d0 += u[3] * x0;
    d1 += u[3] * x1;
    e0 += u[4] * x0;
    e1 += u[4] * x1;
    f0 += u[5] * x0;
    f1 += u[5] * x1;
    g0 += u[6] * x0;
    g1 += u[6] * x1;
    h0 += u[7] * x0;
    h1 += u[7] * x1;
  }
  sums[0] = a0, sums[1] = a1, sums[2] = b0, sums[3] = b1, sums[4] = c0, sums[5] = c1;
  sums[6] = d0, sums[7] = d1, sums[8] = e0, sums[9] = e1, sums[10] = f0, sums[11] = f1;
  sums[12] = g0, sums[13] = g1, sums[14] = h0, sums[15] = h1;
}

// The same by parts of 4 ranks and 16 columns.
DORABOOTH_EIGHT_LANES void add_gradient_tile_by_eight(const float* narrow, int64_t narrow_stride,
                                                      const float* wide, int64_t wide_stride,
                                                      int64_t tokens, float* tile) {
  for (int64_t k = 0; k < kTileRanks; k += 4) {
    for (int64_t c = 0; c < kTileColumns; c += 2 * kEight) {
      float* const sums = tile + k * kTileColumns + c;
      EightFloats a0 = eight(sums), a1 = eight(sums + kEight);
      EightFloats b0 = eight(sums + kTileColumns), b1 = eight(sums + kTileColumns + kEight);
      EightFloats c0 = eight(sums + 2 * kTileColumns), c1 = eight(sums + 2 * kTileColumns + kEight);
      EightFloats d0 = eight(sums + 3 * kTileColumns), d1 = eight(sums + 3 * kTileColumns + kEight);
      for (int64_t t = 0; t < tokens; ++t) {
        const EightFloats x0 = eight(wide + t * wide_stride + c);
        const EightFloats x1 = eight(wide + t * wide_stride + c + kEight);
        const float* const u = narrow + t * narrow_stride + k;
        a0 += u[0] * x0;
        a1 += u[0] * x1;
        b0 += u[1] * x0;
        b1 += u[1] * x1;
        c0 += u[2] * x0;
        c1 += u[2] * x1;
        d0 += u[3] * x0;
        d1 += u[3] * x1;
      }
      eight(sums) = a0, eight(sums + kEight) = a1;
      eight(sums + kTileColumns) = b0, eight(sums + kTileColumns + kEight) = b1;
      eight(sums + 2 * kTileColumns) = c0, eight(sums + 2 * kTileColumns + kEight) = c1;
      eight(sums + 3 * kTileColumns) = d0, eight(sums + 3 * kTileColumns + kEight) = d1;
    }
  }
}

// Columns [c, c + n) of the gradient, n ≤ kTileColumns; `narrow` has whole tiles of ranks.
void gradient_columns(const FactorGradient& task, const Narrow& narrow, int64_t c, int64_t n,
                      float* tiles) {
  const int64_t tile_size = kTileRanks * kTileColumns;
  const int64_t tile_count = (task.rank + kTileRanks - 1) / kTileRanks;
  std::fill_n(tiles, tile_count * tile_size, 0.0f);
  float buffer[kTileTokens * kTileColumns];
  const bool in_place = task.type == ElementType::kFloat32 && n == kTileColumns;
  for (int64_t t = 0; t < task.tokens; t += kTileTokens) {
    const int64_t tokens = std::min(kTileTokens, task.tokens - t);
    const float* wide = static_cast<const float*>(task.wide) + t * task.columns + c;
    if (!in_place) {
      for (int64_t i = 0; i < tokens; ++i) {
        float* row = buffer + i * kTileColumns;
        copy(task.type, task.wide, (t + i) * task.columns + c, n, row);
        std::fill(row + n, row + kTileColumns, 0.0f);
      }
      wide = buffer;
    }
    for (int64_t tile = 0; tile < tile_count; ++tile) {
      (has_avx512() ? add_gradient_tile : add_gradient_tile_by_eight)(
          narrow.values + t * narrow.stride + tile * kTileRanks, narrow.stride, wide,
          in_place ? task.columns : kTileColumns, tokens, tiles + tile * tile_size);
    }
  }
  for (int64_t i = 0; i < tile_count * tile_size; ++i) tiles[i] *= task.scale;
  if (task.by_column) {
    transpose(tiles, task.rank, n, kTileColumns, task.gradient + c * task.rank, task.rank);
    return;
  }
  for (int64_t k = 0; k < task.rank; ++k) {
    std::copy_n(tiles + k * kTileColumns, n, task.gradient + k * task.columns + c);
  }
}

}  // namespace

void transpose(const float* in, int64_t rows, int64_t columns, int64_t in_stride, float* out,
               int64_t out_stride) {
  for (int64_t i = 0; i < rows; i += kLanes) {
    for (int64_t j = 0; j < columns; j += kLanes) {
      const float* from = in + i * in_stride + j;
      float* to = out + j * out_stride + i;
      if (i + kLanes <= rows && j + kLanes <= columns) {
        transpose_block(from, in_stride, to, out_stride);
        continue;
      }
      const int64_t block_rows = std::min(kLanes, rows - i);
      const int64_t block_columns = std::min(kLanes, columns - j);
      for (int64_t a = 0; a < block_rows; ++a) {
        for (int64_t b = 0; b < block_columns; ++b)
          to[b * out_stride + a] = from[a * in_stride + b];
      }
    }
  }
}

FactorByColumn::FactorByColumn(const Factor& factor, int64_t columns)
    : rank_(factor.rank), stride_(padded(factor.rank)), values_(factor.values) {
  if (factor.by_column && stride_ == rank_) return;
  own_.emplace(columns * stride_);
  float* own = own_->floats();
  values_ = own;
  if (!factor.by_column) transpose(factor.values, rank_, columns, columns, own, stride_);
  if (!factor.by_column && stride_ == rank_) return;
  for (int64_t c = 0; c < columns; ++c) {
    float* row = own + c * stride_;
    if (factor.by_column) std::copy_n(factor.values + c * rank_, rank_, row);
    std::fill(row + rank_, row + stride_, 0.0f);
  }
}

FactorByRank::FactorByRank(const Factor& factor, int64_t columns)
    : rank_(factor.rank), columns_(columns), values_(factor.values) {
  if (!factor.by_column) return;
  own_.emplace(columns * rank_);
  transpose(factor.values, columns, rank_, rank_, own_->floats(), columns);
  values_ = own_->floats();
}

void row_products(const FactorByColumn& factor, ElementType type, const void* matrix,
                  int64_t first_row, int64_t count, int64_t total, int64_t columns, double* sums) {
  const int64_t stride = factor.stride();
  std::fill_n(sums, kProductRows * stride, 0.0);
  float buffer[kProductRows][kChunk + kLanes];  // which do not begin in the same line of the cache
  for (int64_t c = 0; c < columns; c += kChunk) {
    const int64_t n = std::min(kChunk, columns - c);
    const float* rows[kProductRows];
    for (int64_t i = 0; i < kProductRows; ++i) {
      rows[i] =
          i < count ? load(type, matrix, (first_row + i) * columns + c, n, buffer[i]) : kZeros;
    }
    const bool is_last = c + n == columns;
    const int64_t next_row = is_last ? first_row + kProductRows : first_row;
    const int64_t next_column = is_last ? 0 : c + n;
    const char* ahead[kProductRows];
    for (int64_t i = 0; i < kProductRows; ++i) {
      const int64_t row = std::min(next_row + i, total - 1);
      ahead[i] =
          static_cast<const char*>(matrix) + (row * columns + next_column) * element_size(type);
    }
    int64_t ahead_bytes = std::min(kChunk, columns - next_column) * element_size(type);
    const auto add = has_avx512() ? add_products : add_products_by_eight;
    for (int64_t k = 0; k < factor.rank(); k += kLanes) {
      add(rows, factor.at(c) + k, stride, n, ahead, ahead_bytes, sums + k, stride);
      ahead_bytes = 0;
    }
  }
}

void factor_gradient(const Execution& on, const FactorGradient& task) {
  if (task.rank == 0) return;
  Narrow narrow = task.narrow;
  const int64_t whole = (task.rank + kTileRanks - 1) / kTileRanks * kTileRanks;
  std::optional<Scratch> own;
  if (whole != task.rank) {
    own.emplace(task.tokens * whole);
    for (int64_t t = 0; t < task.tokens; ++t) {
      float* row = own->floats() + t * whole;
      std::copy_n(narrow.values + t * narrow.stride, task.rank, row);
      std::fill(row + task.rank, row + whole, 0.0f);
    }
    narrow = {own->floats(), whole};
  }
  const int64_t blocks = (task.columns + kTileColumns - 1) / kTileColumns;
  parallel_for(on, blocks, rows_of_work(task.tokens * task.rank * 2),
               [&](int64_t first, int64_t last) {
                 const Scratch tiles(whole * kTileColumns);
                 for (int64_t block = first; block < last; ++block) {
                   const int64_t c = block * kTileColumns;
                   gradient_columns(task, narrow, c, std::min(kTileColumns, task.columns - c),
                                    tiles.floats());
                 }
               });
}

void narrow_product(const NarrowProductArgs& args) {
  const FactorByColumn factor(args.factor, args.columns);
  const int64_t rank = args.factor.rank;
  const int64_t blocks = (args.tokens + kProductRows - 1) / kProductRows;
  parallel_for(args.on, blocks, rows_of_work(kProductRows * args.columns),
               [&](int64_t first_block, int64_t last_block) {
                 const std::unique_ptr<double[]> sums(
                     new double[static_cast<size_t>(kProductRows * factor.stride())]);
                 for (int64_t block = first_block; block < last_block; ++block) {
                   const int64_t first = block * kProductRows;
                   const int64_t count = std::min(kProductRows, args.tokens - first);
                   row_products(factor, args.type, args.wide, first, count, args.tokens,
                                args.columns, sums.get());
                   for (int64_t i = 0; i < count; ++i) {
                     const double* from = sums.get() + i * factor.stride();
                     float* to = args.narrow + (first + i) * args.narrow_stride;
                     for (int64_t k = 0; k < rank; ++k) {
                       to[k] = static_cast<float>(static_cast<double>(args.scale) * from[k]);
                     }
                   }
                 }
               });
}

}  // namespace dorabooth::cpu
