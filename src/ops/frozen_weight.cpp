// Norms are summed in double over blocks of rows, once a version of the weight.
#include "src/ops/frozen_weight.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "src/base/error.h"
#include "src/ops/dense_product.h"

namespace dorabooth {

namespace {

// Rows a block: bounds the fp32 copy of a half-precision or quantised matrix to a few megabytes.
constexpr int64_t kRowsPerBlock = 256;

}  // namespace

at::Tensor FrozenWeight::affine(const at::Tensor& x, const at::Tensor& bias) const {
  return matmul(x).add_(bias);
}

const at::Tensor& FrozenWeight::row_norm2() const {
  if (!row_norm2_.value.defined() || row_norm2_.version != version()) {
    at::NoGradGuard no_grad;
    std::vector<at::Tensor> parts;
    for (int64_t first = 0; first < out_features(); first += kRowsPerBlock) {
      const at::Tensor block = rows(first, std::min(first + kRowsPerBlock, out_features()));
      parts.push_back(block.square().sum(/*dim=*/1, /*keepdim=*/false, at::kDouble).to(at::kFloat));
    }
    row_norm2_ = {version(), at::cat(parts)};
  }
  return row_norm2_.value;
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

at::Tensor DenseWeight::matmul(const at::Tensor& x) const { return dense_product(x, weight_); }

at::Tensor DenseWeight::affine(const at::Tensor& x, const at::Tensor& bias) const {
  if (x.scalar_type() == at::kFloat) return FrozenWeight::affine(x, bias);
  return at::linear(x, weight_, bias);
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
