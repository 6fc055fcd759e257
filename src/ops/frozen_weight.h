// A matrix that does not train, however it is stored: the models and adapters multiply by it and
// never ask how. Lies below nn/ so that quant/'s storages and the autograd functions of ops/ can
// name it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

namespace dorabooth {

// W is [out, in]. Products keep the leading axes of their argument and its dtype and device.
class FrozenWeight {
 public:
  virtual ~FrozenWeight() = default;

  virtual int64_t out_features() const = 0;
  virtual int64_t in_features() const = 0;

  // x [..., in] -> x·Wᵀ [..., out].
  virtual at::Tensor matmul(const at::Tensor& x) const = 0;
  // x·Wᵀ + bias, `bias` [out] of x's dtype. fp32: the product, then the sum.
  virtual at::Tensor affine(const at::Tensor& x, const at::Tensor& bias) const;
  // dy [..., out] -> dy·W [..., in].
  virtual at::Tensor matmul_transposed(const at::Tensor& dy) const = 0;
  // Rows [first, last) as fp32 [last-first, in]; dequantised where the storage is quantised.
  virtual at::Tensor rows(int64_t first, int64_t last) const = 0;
  // Rows [first, last) as the adapter core reads them: fp32, fp16 or bf16, contiguous.
  virtual at::Tensor core_rows(int64_t first, int64_t last) const { return rows(first, last); }
  // How many of those to ask for at once: what bounds the memory of a copy.
  virtual int64_t core_row_count() const { return 256; }
  // Changes whenever the values do; caches of anything computed from W are keyed by it.
  virtual uint64_t version() const = 0;

  // ||W_j||² of every row, fp32 [out], over the values that rows() gives; computed once a version.
  const at::Tensor& row_norm2() const;
  // For a caller that has those norms already, of this version.
  void take_row_norm2(at::Tensor norm2) const;
  // ||W_i||² of every column, fp32 [in].
  const at::Tensor& column_norm2() const;

 private:
  struct Cached {
    uint64_t version = 0;
    at::Tensor value;
  };
  mutable Cached row_norm2_;
  mutable Cached column_norm2_;
};

// A plain tensor [out, in]; holds a handle, not a copy. Products go through MKL or oneDNN by the
// fixed rule of dense_product.h.
class DenseWeight : public FrozenWeight {
 public:
  explicit DenseWeight(at::Tensor weight);
  int64_t out_features() const override { return weight_.size(0); }
  int64_t in_features() const override { return weight_.size(1); }
  at::Tensor matmul(const at::Tensor& x) const override;
  // In half precision one rounding for both, as torch's linear has it.
  at::Tensor affine(const at::Tensor& x, const at::Tensor& bias) const override;
  at::Tensor matmul_transposed(const at::Tensor& dy) const override;
  at::Tensor rows(int64_t first, int64_t last) const override;
  // No copy.
  at::Tensor core_rows(int64_t first, int64_t last) const override;
  int64_t core_row_count() const override { return weight_.size(0); }
  uint64_t version() const override;
  const at::Tensor& tensor() const { return weight_; }

 private:
  at::Tensor weight_;
};

}  // namespace dorabooth
