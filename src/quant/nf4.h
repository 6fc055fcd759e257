// A frozen matrix in NF4 with double quantisation (Dettmers et al. 2023, QLoRA), bit for bit as
// bitsandbytes stores it: 4.13 bits an element.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "kernels/adapter_core.h"
#include "src/quant/quantized_weight.h"

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

class Nf4Weight : public QuantizedWeight {
 public:
  // Of `weight` [out, in] in fp32, fp16 or bf16, which is not kept; `core` outlives it.
  Nf4Weight(const at::Tensor& weight, bool double_quantization, const AdapterCore& core);
  // Over tensors that are quantised already; products in `dtype`.
  Nf4Weight(Nf4Tensors tensors, int64_t out, int64_t in, at::ScalarType dtype,
            const AdapterCore& core);

  at::Tensor core_rows(int64_t first, int64_t last) const override;
  size_t bytes() const override;
  const Nf4Tensors& tensors() const { return tensors_; }

 private:
  Nf4Tensors tensors_;
  const AdapterCore* core_;
};

}  // namespace dorabooth
