// Products with a dense frozen matrix, and the rule that picks the library: a fixed function of CPU
// vendor, dtype and shape, never a measurement at start, so that bits repeat. It stands in
// run.json.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace dorabooth {

// x [..., in] · Wᵀ -> [..., out]; W [out, in] (any strides: the transposed view serves the
// backward).
at::Tensor dense_product(const at::Tensor& x, const at::Tensor& weight);

// The same by one library whatever the rule says: what `dorabooth bench product` compares, and the
// rule comes from.
enum class ProductLibrary { kMatmul, kOneDnn };
at::Tensor dense_product_by(ProductLibrary library, const at::Tensor& x, const at::Tensor& weight);

// Name of the rule in force on this machine, e.g. "fp32: oneDNN (AuthenticAMD)".
std::string dense_product_rule();

}  // namespace dorabooth
