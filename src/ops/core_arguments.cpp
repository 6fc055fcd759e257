// Checks that the adapter core leaves to its callers.
#include "src/ops/core_arguments.h"

#include <ATen/ATen.h>

#include "src/base/error.h"

namespace dorabooth {

ElementType element_type(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return ElementType::kFloat32;
    case at::kHalf:
      return ElementType::kFloat16;
    case at::kBFloat16:
      return ElementType::kBFloat16;
    default:
      fail("adapters compute in fp32, fp16 or bf16, got ", c10::toString(type));
  }
}

const float* fp32_data(const at::Tensor& tensor, const char* what) {
  if (tensor.scalar_type() != at::kFloat || !tensor.is_contiguous()) {
    fail(what, ": want contiguous fp32, got ", c10::toString(tensor.scalar_type()), " ",
         shape_text(tensor.sizes().vec()));
  }
  return tensor.const_data_ptr<float>();
}

}  // namespace dorabooth
