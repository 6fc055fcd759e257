// oneDNN's fp32 product reaches twice MKL's speed on AMD's processors (MKL takes slow paths there);
// on Intel's both are alike and MKL has the smaller overhead at small shapes.
#include "src/ops/dense_product.h"

#include <cpuid.h>

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <cstring>
#include <vector>

namespace dorabooth {

namespace {

std::string cpu_vendor() {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  if (!__get_cpuid(0, &a, &b, &c, &d)) return "unknown";
  char text[13] = {};
  std::memcpy(text, &b, 4);
  std::memcpy(text + 4, &d, 4);
  std::memcpy(text + 8, &c, 4);
  return text;
}

bool prefers_onednn() {
  static const bool prefers = cpu_vendor() == "AuthenticAMD";
  return prefers;
}

using LinearPointwise = at::Tensor(const at::Tensor&, const at::Tensor&,
                                   const std::optional<at::Tensor>&, std::string_view,
                                   c10::List<std::optional<at::Scalar>>,
                                   std::optional<std::string_view>);

at::Tensor onednn_product(const at::Tensor& x, const at::Tensor& weight) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("mkldnn::_linear_pointwise", "")
                             .typed<LinearPointwise>();
  const c10::List<std::optional<at::Scalar>> no_scalars;
  return op.call(x, weight, std::nullopt, "none", no_scalars, "");
}

}  // namespace

at::Tensor dense_product_by(ProductLibrary library, const at::Tensor& x, const at::Tensor& weight) {
  if (library == ProductLibrary::kOneDnn) return onednn_product(x, weight);
  if (x.dim() < 3) return at::matmul(x, weight.t());
  // What at::matmul does in the end, without its way there.
  std::vector<int64_t> sizes = x.sizes().vec();
  sizes.back() = weight.size(0);
  return x.reshape({-1, x.size(-1)}).mm(weight.t()).view(sizes);
}

at::Tensor dense_product(const at::Tensor& x, const at::Tensor& weight) {
  const bool fp32_cpu = x.scalar_type() == at::kFloat && x.device().is_cpu() && !x.is_meta();
  const bool onednn = fp32_cpu && prefers_onednn() && x.numel() > 0;
  return dense_product_by(onednn ? ProductLibrary::kOneDnn : ProductLibrary::kMatmul, x, weight);
}

std::string dense_product_rule() {
  return prefers_onednn() ? "fp32: oneDNN (AuthenticAMD); other dtypes: at::matmul"
                          : "at::matmul (" + cpu_vendor() + ")";
}

}  // namespace dorabooth
