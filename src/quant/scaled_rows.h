// A frozen matrix in one byte a number with a scale for each output row: weight-only int8
// (symmetric, absmax; as in Dettmers et al. 2022, LLM.int8(), by rows) and fp8 e4m3 (Micikevicius
// et al. 2022, "FP8 formats for deep learning").
#pragma once

#include <ATen/core/Tensor.h>

#include "src/quant/quantized_weight.h"

namespace dorabooth {

enum class ByteCode { kInt8, kFp8E4M3 };

// W_ij is codes_ij · scale_i.
struct ScaledRows {
  at::Tensor codes;  // [out, in], int8 or float8_e4m3fn
  at::Tensor scale;  // fp32 [out]
};

// int8: scale = absmax / 127 of the row, codes to the nearest integer. e4m3: the scale is the power
// of two that brings absmax into (224, 448], so that every code is rounded once and dequantising
// to fp32 or bf16 rounds nothing. A row of zeros has the scale 1. Numbers must be finite.
ScaledRows quantize_rows(const at::Tensor& weight, ByteCode code);

class ScaledRowsWeight : public QuantizedWeight {
 public:
  // Of `weight` [out, in] in fp32, fp16 or bf16, which is not kept.
  ScaledRowsWeight(const at::Tensor& weight, ByteCode code);

  at::Tensor core_rows(int64_t first, int64_t last) const override;
  size_t bytes() const override;
  const ScaledRows& stored() const { return stored_; }

 private:
  ScaledRows stored_;
};

}  // namespace dorabooth
