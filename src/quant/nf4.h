// A frozen matrix in NF4 with double quantisation (Dettmers et al. 2023, QLoRA), bit for bit as
// bitsandbytes stores it: 4.13 bits an element.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "kernels/adapter_core.h"
#include "src/ops/frozen_weight.h"

namespace dorabooth {

// What is kept of a matrix of n elements; the layout is that of Nf4QuantizeArgs.
struct Nf4Tensors {
  at::Tensor packed;  // uint8 [(n + 1) / 2]
  // The blocks' largest magnitudes: fp32 [n / 64] alone, or 8-bit indices with a scale a group of
  // 256 blocks and their mean.
  at::Tensor absmax;
  at::Tensor absmax_index;
  at::Tensor nested_absmax;
  at::Tensor nested_code;  // fp32 [256]
  float offset = 0.0f;
};

Nf4Tensors nf4_quantize(const at::Tensor& weight, bool double_quantization,
                        const AdapterCore& core);
// bitsandbytes' signed dynamic map: 256 values in [-1, 1], ascending.
at::Tensor nf4_nested_code();

// Products dequantise blocks of rows of a few megabytes, in the dtype that the matrix had.
class Nf4Weight : public FrozenWeight {
 public:
  // Of `weight` [out, in] in fp32, fp16 or bf16, which is not kept; `core` outlives it.
  Nf4Weight(const at::Tensor& weight, bool double_quantization, const AdapterCore& core);
  // Over tensors that are quantised already; products in `dtype`.
  Nf4Weight(Nf4Tensors tensors, int64_t out, int64_t in, at::ScalarType dtype,
            const AdapterCore& core);

  int64_t out_features() const override { return out_; }
  int64_t in_features() const override { return in_; }
  at::Tensor matmul(const at::Tensor& x) const override;
  at::Tensor affine(const at::Tensor& x, const at::Tensor& bias) const override;
  at::Tensor matmul_transposed(const at::Tensor& dy) const override;
  at::Tensor rows(int64_t first, int64_t last) const override;
  // In the dtype that products use.
  at::Tensor core_rows(int64_t first, int64_t last) const override;
  int64_t core_row_count() const override;
  uint64_t version() const override { return 0; }

  const Nf4Tensors& tensors() const { return tensors_; }
  size_t bytes() const;

 private:
  int64_t out_;
  int64_t in_;
  at::ScalarType dtype_;
  Nf4Tensors tensors_;
  const AdapterCore* core_;
};

}  // namespace dorabooth
