// CPU twins of the norms: |W_j|², |W_j + s(BA)_j| from its factors, and sums over columns.
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/cpu/vector.h"

namespace dorabooth::cpu {

namespace {

// sums[k] = Σ_l up[l]·gram[l, first + k] for k < n: a row of B·G, which is symmetric.
DORABOOTH_CLONES void gram_row(const float* up, const float* gram, int64_t rank, int64_t first,
                               int64_t n, float* sums) {
  std::fill_n(sums, n, 0.0f);
  for (int64_t l = 0; l < rank; ++l) {
    const float factor = up[l];
    const float* row = gram + l * rank + first;
    for (int64_t k = 0; k < n; ++k) sums[k] += factor * row[k];
  }
}

double dot(const float* a, const float* b, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

DORABOOTH_CLONES void add_squares(const float* values, double* sums, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    sums[i] += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  }
}

}  // namespace

void square_sum_rows(const SquareSumRowsArgs& args) {
  parallel_for(args.on, args.rows, rows_of_work(args.columns), [&](int64_t first, int64_t last) {
    float buffer[kChunk];
    for (int64_t row = first; row < last; ++row) {
      double total = 0;
      for (int64_t c = 0; c < args.columns; c += kChunk) {
        const int64_t n = std::min(kChunk, args.columns - c);
        total += square_sum(load(args.type, args.weight, row * args.columns + c, n, buffer), n);
      }
      args.square_sums[row] = static_cast<float>(total);
    }
  });
}

void row_norm(const RowNormArgs& args) {
  const double s = static_cast<double>(args.scale);
  const int64_t work = args.rank * args.rank + 16;
  parallel_for(args.on, args.rows, rows_of_work(work), [&](int64_t first, int64_t last) {
    float buffer[kChunk];
    for (int64_t row = first; row < last; ++row) {
      const float* up = args.rank > 0 ? args.up + row * args.rank : nullptr;
      double cross = 0;
      double square = 0;
      if (args.rank > 0) cross = dot(args.cross + row * args.rank, up, args.rank);
      for (int64_t k = 0; k < args.rank; k += kChunk) {
        const int64_t n = std::min(kChunk, args.rank - k);
        gram_row(up, args.gram, args.rank, k, n, buffer);
        square += dot(buffer, up + k, n);
      }
      const double w2 = static_cast<double>(args.square_sums[row]);
      const float norm2 = static_cast<float>(std::max(0.0, w2 + 2 * s * cross + s * s * square));
      const float norm = std::sqrt(norm2);
      if (args.norm != nullptr) args.norm[row] = norm;
      if (args.gain != nullptr && args.magnitude != nullptr) {
        args.gain[row] = norm == 0.0f ? 1.0f : args.magnitude[row] / (norm + args.epsilon);
      }
    }
  });
}

void column_square_sums(const ColumnSquareSumsArgs& args) {
  constexpr int64_t kColumns = 256;
  const int64_t blocks = (args.columns + kColumns - 1) / kColumns;
  parallel_for(args.on, blocks, 1, [&](int64_t first, int64_t last) {
    float buffer[4][kColumns];
    float* const rows[4] = {buffer[0], buffer[1], buffer[2], buffer[3]};
    for (int64_t block = first; block < last; ++block) {
      const int64_t c = block * kColumns;
      const int64_t n = std::min(kColumns, args.columns - c);
      for (int64_t row = 0; row < args.rows; row += 4) {
        const int64_t count = std::min<int64_t>(4, args.rows - row);
        for (int64_t i = 0; i < count; ++i) {
          copy(args.type, args.weight, (row + i) * args.columns + c, n, buffer[i]);
        }
        if (args.rank > 0) {
          add_low_rank(rows, count, n, args.up + row * args.rank, args.rank, args.down + c,
                       args.columns, args.scale);
        }
        for (int64_t i = 0; i < count; ++i) add_squares(buffer[i], args.sums + c, n);
      }
    }
  });
}

}  // namespace dorabooth::cpu
