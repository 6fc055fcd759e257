// Blocks of outputs stand beside each other; blocks of dy·W add up.
#include "src/quant/quantized_weight.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

#include "src/base/error.h"
#include "src/ops/dense_product.h"

namespace dorabooth {

namespace {

// Of dequantised values at a time.
constexpr int64_t kBlockBytes = 4 << 20;

}  // namespace

QuantizedWeight::QuantizedWeight(int64_t out, int64_t in, at::ScalarType dtype)
    : out_(out), in_(in), dtype_(dtype) {}

QuantizedWeight::QuantizedWeight(const at::Tensor& weight) : dtype_(weight.scalar_type()) {
  if (weight.dim() != 2 || weight.numel() == 0) {
    fail("a matrix to quantise wants 2 axes, got ", shape_text(weight.sizes().vec()));
  }
  out_ = weight.size(0);
  in_ = weight.size(1);
}

int64_t QuantizedWeight::core_row_count() const {
  const auto row_bytes = in_ * static_cast<int64_t>(c10::elementSize(dtype_));
  return std::clamp<int64_t>(kBlockBytes / row_bytes, 1, out_);
}

at::Tensor QuantizedWeight::rows(int64_t first, int64_t last) const {
  return core_rows(first, last).to(at::kFloat);
}

at::Tensor QuantizedWeight::matmul(const at::Tensor& x) const {
  const int64_t block = core_row_count();
  if (block == out_) return dense_product(x, core_rows(0, out_));
  std::vector<int64_t> sizes = x.sizes().vec();
  sizes.back() = out_;
  at::Tensor y = at::empty(sizes, x.options());
  for (int64_t first = 0; first < out_; first += block) {
    const int64_t last = std::min(first + block, out_);
    y.slice(-1, first, last).copy_(dense_product(x, core_rows(first, last)));
  }
  return y;
}

at::Tensor QuantizedWeight::affine(const at::Tensor& x, const at::Tensor& bias) const {
  if (x.scalar_type() == at::kFloat) return FrozenWeight::affine(x, bias);
  std::vector<int64_t> sizes = x.sizes().vec();
  sizes.back() = out_;
  at::Tensor y = at::empty(sizes, x.options());
  const int64_t block = core_row_count();
  for (int64_t first = 0; first < out_; first += block) {
    const int64_t last = std::min(first + block, out_);
    y.slice(-1, first, last)
        .copy_(dense_affine(x, core_rows(first, last), bias.slice(0, first, last)));
  }
  return y;
}

// In fp32 where there are several blocks.
at::Tensor QuantizedWeight::matmul_transposed(const at::Tensor& dy) const {
  const int64_t block = core_row_count();
  if (block == out_) return dense_product(dy, core_rows(0, out_).t());
  at::Tensor dx;
  for (int64_t first = 0; first < out_; first += block) {
    const int64_t last = std::min(first + block, out_);
    const at::Tensor part =
        dense_product(dy.slice(-1, first, last).contiguous(), core_rows(first, last).t());
    dx = dx.defined() ? dx.add_(part) : part.to(at::kFloat);
  }
  return dx.to(dy.scalar_type());
}

}  // namespace dorabooth
