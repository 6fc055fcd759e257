// CPU twins of the norms: |W_j|², |W_j + s(BA)_j| from its factors, and sums over columns.
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/cpu/vector.h"

namespace dorabooth::cpu {

namespace {

// A row of B or of the products below is padded to whole vectors.
int64_t padded(int64_t rank) { return (rank + kLanes - 1) / kLanes * kLanes; }

// Rows whose products with Aᵀ are summed at once: as many sums as hide the latency of an addition.
constexpr int64_t kRows = 8;

// sums[i] = Σ_c rows[i][c]·down_t[c·stride …], 16 ranks at once, for kRows rows and n ≤ kChunk.
// Meanwhile `ahead_bytes` of each row's next piece are fetched: the matrix comes from memory.
DORABOOTH_CLONES void add_products(const float* const* rows, const float* down_t, int64_t stride,
                                   int64_t n, const char* const* ahead, int64_t ahead_bytes,
                                   double* sums, int64_t sums_stride) {
  Floats s0 = {}, s1 = {}, s2 = {}, s3 = {}, s4 = {}, s5 = {}, s6 = {}, s7 = {};
  const int64_t bytes_per_step = (ahead_bytes + n - 1) / n * kLanes;
  for (int64_t begin = 0; begin < n; begin += kLanes) {
    const int64_t at = begin / kLanes * bytes_per_step;
    if (at < ahead_bytes) {
      for (int64_t i = 0; i < kRows; ++i) __builtin_prefetch(ahead[i] + at);
    }
    const int64_t end = std::min(begin + kLanes, n);
    for (int64_t c = begin; c < end; ++c) {
      const Floats x = *reinterpret_cast<const Floats*>(down_t + c * stride);
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
  const Floats* all[kRows] = {&s0, &s1, &s2, &s3, &s4, &s5, &s6, &s7};
  for (int64_t i = 0; i < kRows; ++i) {
    for (int64_t k = 0; k < kLanes; ++k) {
      sums[i * sums_stride + k] += static_cast<double>((*all[i])[k]);
    }
  }
}

// Products of rows of a matrix with the rows of A: sums [kRows, padded(rank)], of which `count`
// rows are there.
class RowProducts {
 public:
  RowProducts(const float* down, int64_t columns, int64_t rank)
      : columns_(columns),
        stride_(padded(rank)),
        down_t_(static_cast<size_t>(columns * stride_)),
        rank_(rank) {
    for (int64_t k = 0; k < rank; ++k) {
      for (int64_t c = 0; c < columns; ++c) {
        down_t_[static_cast<size_t>(c * stride_ + k)] = down[k * columns + c];
      }
    }
  }

  int64_t stride() const { return stride_; }

  // Rows [first_row, first_row + count) of `total`.
  void sum(ElementType type, const void* matrix, int64_t first_row, int64_t count, int64_t total,
           double* sums) const {
    std::fill_n(sums, kRows * stride_, 0.0);
    float buffer[kRows][kChunk];
    for (int64_t c = 0; c < columns_; c += kChunk) {
      const int64_t n = std::min(kChunk, columns_ - c);
      const float* rows[kRows];
      for (int64_t i = 0; i < kRows; ++i) {
        rows[i] =
            i < count ? load(type, matrix, (first_row + i) * columns_ + c, n, buffer[i]) : kZeros;
      }
      const bool is_last = c + n == columns_;
      const int64_t next_row = is_last ? first_row + kRows : first_row;
      const int64_t next_column = is_last ? 0 : c + n;
      const char* ahead[kRows];
      for (int64_t i = 0; i < kRows; ++i) {
        const int64_t row = std::min(next_row + i, total - 1);
        ahead[i] =
            static_cast<const char*>(matrix) + (row * columns_ + next_column) * element_size(type);
      }
      int64_t ahead_bytes = std::min(kChunk, columns_ - next_column) * element_size(type);
      for (int64_t k = 0; k < rank_; k += kLanes) {
        add_products(rows, down_t_.data() + c * stride_ + k, stride_, n, ahead, ahead_bytes,
                     sums + k, stride_);
        ahead_bytes = 0;
      }
    }
  }

 private:
  int64_t columns_;
  int64_t stride_;
  std::vector<float> down_t_;  // Aᵀ [columns, stride]
  int64_t rank_;
};

// Σ V_j² of one row, V formed.
double formed_square_sum(const RowNormArgs& args, int64_t row) {
  float buffer[kChunk];
  float* const values[1] = {buffer};
  double total = 0;
  for (int64_t c = 0; c < args.columns; c += kChunk) {
    const int64_t n = std::min(kChunk, args.columns - c);
    copy(args.type, args.weight, row * args.columns + c, n, buffer);
    add_low_rank(values, 1, n, args.up + row * args.rank, args.rank, args.down + c, args.columns,
                 args.scale);
    total += square_sum(buffer, n);
  }
  return total;
}

// Σ_k,l B[j,k]·G[k,l]·B[j,l]; rows of G are padded to `stride`.
DORABOOTH_CLONES double quadratic_form(const float* up, const float* gram, int64_t stride,
                                       int64_t rank) {
  double total = 0;
  for (int64_t k = 0; k < rank; k += kLanes) {
    Floats row = {};
    for (int64_t l = 0; l < rank; ++l) {
      row += up[l] * *reinterpret_cast<const Floats*>(gram + l * stride + k);
    }
    const int64_t n = std::min(kLanes, rank - k);
    for (int64_t i = 0; i < n; ++i) {
      total += static_cast<double>(row[i]) * static_cast<double>(up[k + i]);
    }
  }
  return total;
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
  const RowProducts products(args.down, args.columns, args.rank);
  const int64_t stride = products.stride();
  // The products of A's own rows, a few rows too many.
  std::vector<float> gram(static_cast<size_t>((args.rank + kRows) * stride));
  std::vector<double> sums(static_cast<size_t>(kRows * stride));
  for (int64_t k = 0; k < args.rank; k += kRows) {
    products.sum(ElementType::kFloat32, args.down, k, std::min(kRows, args.rank - k), args.rank,
                 sums.data());
    std::transform(sums.begin(), sums.end(), gram.begin() + k * stride,
                   [](double value) { return static_cast<float>(value); });
  }
  const int64_t blocks = (args.rows + kRows - 1) / kRows;
  const int64_t grain = rows_of_work(kRows * args.columns);
  parallel_for(args.on, blocks, grain, [&](int64_t first_block, int64_t last_block) {
    std::vector<double> cross(static_cast<size_t>(kRows * stride));
    for (int64_t block = first_block; block < last_block; ++block) {
      const int64_t first = block * kRows;
      const int64_t count = std::min(kRows, args.rows - first);
      if (args.rank > 0)
        products.sum(args.type, args.weight, first, count, args.rows, cross.data());
      for (int64_t row = first; row < first + count; ++row) {
        const float* up = args.rank > 0 ? args.up + row * args.rank : nullptr;
        const double* u = cross.data() + (row - first) * stride;
        double mixed = 0;
        for (int64_t k = 0; k < args.rank; ++k) mixed += u[k] * static_cast<double>(up[k]);
        const double w2 = static_cast<double>(args.square_sums[row]);
        const double last = s * s * quadratic_form(up, gram.data(), stride, args.rank);
        double norm2 = w2 + 2 * s * mixed + last;
        if (norm2 < kCancelledShare * (w2 + last)) norm2 = formed_square_sum(args, row);
        const float norm = std::sqrt(static_cast<float>(std::max(0.0, norm2)));
        if (args.norm != nullptr) args.norm[row] = norm;
        if (args.gain != nullptr && args.magnitude != nullptr) {
          args.gain[row] = norm == 0.0f ? 1.0f : args.magnitude[row] / (norm + args.epsilon);
        }
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
