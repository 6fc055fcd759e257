// Norms are summed in double over blocks of rows, once a version of the weight.
#include "src/ops/frozen_weight.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "kernels/cpu/vector.h"
#include "src/base/error.h"
#include "src/ops/core_arguments.h"
#include "src/ops/dense_product.h"

namespace dorabooth {

namespace {

// Rows a block: bounds the fp32 copy of a half-precision or quantised matrix to a few megabytes.
constexpr int64_t kRowsPerBlock = 256;

// Squares in fp32, their sum in double.
DORABOOTH_CLONES double square_sum(const float* x, int64_t n) {
  cpu::Doubles sums = {};
  int64_t i = 0;
  for (; i + cpu::kLanes <= n; i += cpu::kLanes) {
    const cpu::Floats v = *reinterpret_cast<const cpu::Floats*>(x + i);
    sums += __builtin_convertvector(v * v, cpu::Doubles);
  }
  double total = 0;
  for (int64_t lane = 0; lane < cpu::kLanes; ++lane) total += sums[lane];
  for (; i < n; ++i) total += static_cast<double>(x[i] * x[i]);
  return total;
}

// ‖row‖² of a block [rows, columns] on a CPU as it is stored: no temporary of its size.
at::Tensor row_square_sums(const at::Tensor& block) {
  const int64_t columns = block.size(1);
  const ElementType type = element_type(block.scalar_type());
  at::Tensor sums = at::empty({block.size(0)}, block.options().dtype(at::kFloat));
  float* const out = sums.data_ptr<float>();
  const cpu::Scratch row(columns);
  for (int64_t i = 0; i < block.size(0); ++i) {
    out[i] = static_cast<float>(square_sum(
        cpu::load(type, block.const_data_ptr(), i * columns, columns, row.floats()), columns));
  }
  return sums;
}

// The matrix in the dtype of x, block by block: for a few rows of x, where converting it whole
// would take longer than the product.
at::Tensor product_by_blocks(const at::Tensor& x, const FrozenWeight& weight) {
  std::vector<at::Tensor> parts;
  for (int64_t first = 0; first < weight.out_features(); first += kRowsPerBlock) {
    const int64_t last = std::min(first + kRowsPerBlock, weight.out_features());
    parts.push_back(dense_product(x, weight.rows(first, last).to(x.scalar_type())));
  }
  return at::cat(parts, -1);
}

}  // namespace

at::Tensor FrozenWeight::affine(const at::Tensor& x, const at::Tensor& bias) const {
  return matmul(x).add_(bias);
}

const at::Tensor& FrozenWeight::row_norm2() const {
  if (!row_norm2_.value.defined() || row_norm2_.version != version()) {
    at::NoGradGuard no_grad;
    std::vector<at::Tensor> parts;
    for (int64_t first = 0; first < out_features(); first += kRowsPerBlock) {
      const at::Tensor block = core_rows(first, std::min(first + kRowsPerBlock, out_features()));
      parts.push_back(
          block.is_cpu() && !block.is_meta()
              ? row_square_sums(block)
              : block.to(at::kFloat).square().sum(1, false, at::kDouble).to(at::kFloat));
    }
    row_norm2_ = {version(), at::cat(parts)};
  }
  return row_norm2_.value;
}

void FrozenWeight::take_row_norm2(at::Tensor norm2) const {
  row_norm2_ = {version(), std::move(norm2)};
}

const at::Tensor& FrozenWeight::column_norm2() const {
  if (!column_norm2_.value.defined() || column_norm2_.version != version()) {
    at::NoGradGuard no_grad;
    at::Tensor sum;
    for (int64_t first = 0; first < out_features(); first += kRowsPerBlock) {
      const at::Tensor block = rows(first, std::min(first + kRowsPerBlock, out_features()));
      const at::Tensor part = block.square().sum(/*dim=*/0, /*keepdim=*/false, at::kDouble);
      sum = sum.defined() ? sum + part : part;
    }
    column_norm2_ = {version(), sum.to(at::kFloat)};
  }
  return column_norm2_.value;
}

DenseWeight::DenseWeight(at::Tensor weight) : weight_(std::move(weight)) {
  if (weight_.dim() != 2)
    fail("a frozen matrix wants 2 axes, got ", shape_text(weight_.sizes().vec()));
}

at::Tensor DenseWeight::matmul(const at::Tensor& x) const {
  if (x.scalar_type() != weight_.scalar_type()) return product_by_blocks(x, *this);
  return dense_product(x, weight_);
}

at::Tensor DenseWeight::affine(const at::Tensor& x, const at::Tensor& bias) const {
  if (x.scalar_type() == at::kFloat) return FrozenWeight::affine(x, bias);
  return dense_affine(x, weight_, bias);
}

at::Tensor DenseWeight::matmul_transposed(const at::Tensor& dy) const {
  return dense_product(dy, weight_.t());
}

at::Tensor DenseWeight::rows(int64_t first, int64_t last) const {
  return weight_.detach().slice(0, first, last).to(at::kFloat);
}

at::Tensor DenseWeight::core_rows(int64_t first, int64_t last) const {
  return weight_.detach().slice(0, first, last).contiguous();
}

uint64_t DenseWeight::version() const { return static_cast<uint64_t>(weight_._version()); }

}  // namespace dorabooth
