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

// x·Wᵀ + bias, `bias` [out]. In half precision one rounding for both, as torch's linear has it.
at::Tensor dense_affine(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

// Whether this CPU has instructions for products of this type, or a library that makes up for them.
// Where it has none, LibTorch multiplies half precision at a sixth of the speed of fp32.
bool cpu_multiplies(at::ScalarType type);

// The same product by one library whatever the rule says: what `dorabooth bench product` compares,
// and the rule comes from. kWidened is for half precision: by fp32, a few megabytes of W at a time,
// rounded once.
enum class ProductLibrary { kMatmul, kOneDnn, kWidened };
at::Tensor dense_product_by(ProductLibrary library, const at::Tensor& x, const at::Tensor& weight);
// kWidened with a bias, which may be undefined.
at::Tensor widened_product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

// The rule in force on this machine, e.g. "fp32: oneDNN (AuthenticAMD)".
std::string dense_product_rule();

}  // namespace dorabooth
