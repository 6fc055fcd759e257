// A frozen matrix whose numbers are stored in fewer bits: products dequantise blocks of rows of a
// few megabytes, in the dtype that the matrix had.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>

#include "src/ops/frozen_weight.h"

namespace dorabooth {

// A storage gives core_rows(), in the products' dtype; everything else follows from it.
class QuantizedWeight : public FrozenWeight {
 public:
  int64_t out_features() const override { return out_; }
  int64_t in_features() const override { return in_; }
  at::Tensor matmul(const at::Tensor& x) const override;
  at::Tensor affine(const at::Tensor& x, const at::Tensor& bias) const override;
  at::Tensor matmul_transposed(const at::Tensor& dy) const override;
  at::Tensor rows(int64_t first, int64_t last) const override;
  at::Tensor core_rows(int64_t first, int64_t last) const override = 0;
  int64_t core_row_count() const override;
  uint64_t version() const override { return 0; }

  // What is kept in memory.
  virtual size_t bytes() const = 0;

 protected:
  // Products in `dtype`: fp32, fp16 or bf16.
  QuantizedWeight(int64_t out, int64_t in, at::ScalarType dtype);
  // Of a matrix to quantise, whose dtype is the products'; throws for what is no matrix.
  explicit QuantizedWeight(const at::Tensor& weight);
  at::ScalarType dtype() const { return dtype_; }

 private:
  int64_t out_;
  int64_t in_;
  at::ScalarType dtype_;
};

}  // namespace dorabooth
