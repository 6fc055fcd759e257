// Torch tensors as the adapter core's arguments: element types and pointers.
#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/adapter_core.h"

namespace dorabooth {

ElementType element_type(at::ScalarType type);  // throws for other than fp32, fp16, bf16

// Throws unless `tensor` is fp32, contiguous and on `device`; names `what`.
const float* fp32_data(const at::Tensor& tensor, const char* what);

}  // namespace dorabooth
