// How the large frozen matrices of a base lie in memory (--base_quantization).
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>

#include "kernels/adapter_core.h"

namespace dorabooth {

class QuantizedWeight;

enum class WeightStorage { kDense, kNf4, kInt8, kFp8 };

// "none", "nf4", "int8" or "fp8".
WeightStorage parse_weight_storage(const std::string& name);

// `weight` [out, in] in that storage, which is not kDense; `core` outlives it.
std::shared_ptr<QuantizedWeight> quantized(const at::Tensor& weight, WeightStorage storage,
                                           const AdapterCore& core);

}  // namespace dorabooth
