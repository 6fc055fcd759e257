// CPU twins of the norms: |W_j|², |W_j + s(BA)_j| from its factors, and sums over columns.
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/cpu/eight_lanes.h"
#include "kernels/cpu/half_instructions.h"
#include "kernels/cpu/low_rank.h"
#include "kernels/cpu/vector.h"

namespace dorabooth::cpu {

namespace {

// Σ V_j² of one row, V formed.
double formed_square_sum(const RowNormArgs& args, int64_t row) {
  float buffer[kChunk];
  float* const values[1] = {buffer};
  double total = 0;
  for (int64_t c = 0; c < args.columns; c += kChunk) {
    const int64_t n = std::min(kChunk, args.columns - c);
    copy(args.type, args.weight, row * args.columns + c, n, buffer);
    add_low_rank(values, 1, n, args.up + row * args.rank, args.rank, args.rank, args.down + c,
                 args.columns, args.scale);
    total += square_sum(buffer, n);
  }
  return total;
}

// Of one row j: Σ_k U[j,k]·B[j,k] and Σ_k,l B[j,k]·G[k,l]·B[j,l]; rows of G and U are padded to
// `stride` with zeros, `up` is B's row with as many.
struct CrossTerms {
  double mixed = 0;
  double square = 0;
};

DORABOOTH_CLONES CrossTerms cross_terms(const float* up, const double* products, const float* gram,
                                        int64_t stride, int64_t rank) {
  Doubles mixed = {};
  Doubles square = {};
  for (int64_t k = 0; k < stride; k += kLanes) {
    Floats row = {};
    for (int64_t l = 0; l < rank; ++l) {
      row += up[l] * *reinterpret_cast<const Floats*>(gram + l * stride + k);
    }
    const Doubles b = __builtin_convertvector(*reinterpret_cast<const Floats*>(up + k), Doubles);
    mixed += b * *reinterpret_cast<const Doubles*>(products + k);
    square += b * __builtin_convertvector(row, Doubles);
  }
  CrossTerms terms;
  for (int64_t lane = 0; lane < kLanes; ++lane) {
    terms.mixed += mixed[lane];
    terms.square += square[lane];
  }
  return terms;
}

// The same, its rows of 16 in two vectors.
DORABOOTH_EIGHT_LANES CrossTerms cross_terms_by_eight(const float* up, const double* products,
                                                      const float* gram, int64_t stride,
                                                      int64_t rank) {
  CrossTerms terms;
  double mixed[kLanes] = {};
  double square[kLanes] = {};
  for (int64_t k = 0; k < stride; k += kLanes) {
    float row[kLanes];
    EightFloats low = {}, high = {};
    for (int64_t l = 0; l < rank; ++l) {
      low += up[l] * eight(gram + l * stride + k);
      high += up[l] * eight(gram + l * stride + k + kEight);
    }
    eight(row) = low, eight(row + kEight) = high;
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      const double b = static_cast<double>(up[k + lane]);
      mixed[lane] += b * products[k + lane];
      square[lane] += b * static_cast<double>(row[lane]);
    }
  }
  for (int64_t lane = 0; lane < kLanes; ++lane) {
    terms.mixed += mixed[lane];
    terms.square += square[lane];
  }
  return terms;
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
  const FactorByColumn down({args.down, args.rank, false}, args.columns);
  const int64_t stride = down.stride();
  // The products of A's own rows, a few rows too many.
  std::vector<float> gram(static_cast<size_t>((args.rank + kProductRows) * stride));
  std::vector<double> sums(static_cast<size_t>(kProductRows * stride));
  for (int64_t k = 0; k < args.rank; k += kProductRows) {
    row_products(down, ElementType::kFloat32, args.down, k, std::min(kProductRows, args.rank - k),
                 args.rank, args.columns, sums.data());
    std::transform(sums.begin(), sums.end(), gram.begin() + k * stride,
                   [](double value) { return static_cast<float>(value); });
  }
  const auto terms_of = has_avx512() ? cross_terms : cross_terms_by_eight;
  const int64_t blocks = (args.rows + kProductRows - 1) / kProductRows;
  const int64_t grain = rows_of_work(kProductRows * args.columns);
  parallel_for(args.on, blocks, grain, [&](int64_t first_block, int64_t last_block) {
    std::vector<double> cross(static_cast<size_t>(kProductRows * stride));
    const Scratch up(stride);
    std::fill_n(up.floats(), stride, 0.0f);
    for (int64_t block = first_block; block < last_block; ++block) {
      const int64_t first = block * kProductRows;
      const int64_t count = std::min(kProductRows, args.rows - first);
      if (args.rank > 0) {
        row_products(down, args.type, args.weight, first, count, args.rows, args.columns,
                     cross.data());
      }
      for (int64_t row = first; row < first + count; ++row) {
        if (args.rank > 0) std::copy_n(args.up + row * args.rank, args.rank, up.floats());
        const CrossTerms terms = terms_of(up.floats(), cross.data() + (row - first) * stride,
                                          gram.data(), stride, args.rank);
        const double w2 = static_cast<double>(args.square_sums[row]);
        const double last = s * s * terms.square;
        double norm2 = w2 + 2 * s * terms.mixed + last;
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
          add_low_rank(rows, count, n, args.up + row * args.rank, args.rank, args.rank,
                       args.down + c, args.columns, args.scale);
        }
        for (int64_t i = 0; i < count; ++i) add_squares(buffer[i], args.sums + c, n);
      }
    }
  });
}

}  // namespace dorabooth::cpu
