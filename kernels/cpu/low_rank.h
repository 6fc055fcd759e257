// The products with a low-rank factor that the CPU twins share.
#pragma once

#include <cstdint>
#include <optional>

#include "kernels/cpu/vector.h"

namespace dorabooth::cpu {

// out[j·out_stride + i] = in[i·in_stride + j] for i < rows and j < columns.
void transpose(const float* in, int64_t rows, int64_t columns, int64_t in_stride, float* out,
               int64_t out_stride);

// A factor as rows of `rank` values for each column, padded with zeros to whole vectors: the form
// that a product over the columns reads.
class FactorByColumn {
 public:
  FactorByColumn(const Factor& factor, int64_t columns);

  int64_t rank() const { return rank_; }
  int64_t stride() const { return stride_; }
  const float* at(int64_t column) const { return values_ + column * stride_; }

 private:
  int64_t rank_;
  int64_t stride_;
  std::optional<Scratch> own_;  // absent where the factor already has this form
  const float* values_;
};

// A factor as one row of `columns` values for each rank: the form that a product over the ranks
// reads.
class FactorByRank {
 public:
  FactorByRank(const Factor& factor, int64_t columns);

  int64_t rank() const { return rank_; }
  const float* at(int64_t column) const { return values_ + column; }
  int64_t stride() const { return columns_; }

 private:
  int64_t rank_;
  int64_t columns_;
  std::optional<Scratch> own_;
  const float* values_;
};

// Rows whose products are summed at once: as many sums as hide the latency of an addition.
inline constexpr int64_t kProductRows = 8;

// sums[i·stride + k] = Σ_c matrix[first_row + i, c]·F[k,c] for i < kProductRows, of which `count`
// rows are there, of a matrix [total, columns].
void row_products(const FactorByColumn& factor, ElementType type, const void* matrix,
                  int64_t first_row, int64_t count, int64_t total, int64_t columns, double* sums);

// gradient = scale · Σ_t narrow[t,k]·wide[t,c], in the layout that `by_column` names.
struct FactorGradient {
  const void* wide = nullptr;  // [tokens, columns] of `type`
  ElementType type = ElementType::kFloat32;
  Narrow narrow;
  int64_t tokens = 0;
  int64_t columns = 0;
  int64_t rank = 0;
  float scale = 1.0f;
  bool by_column = false;
  float* gradient = nullptr;
};
void factor_gradient(const Execution& on, const FactorGradient& task);

}  // namespace dorabooth::cpu
