// oneDNN's fp32 product reaches twice MKL's speed on AMD's processors (MKL takes slow paths there);
// on Intel's both are alike and MKL has the smaller overhead at small shapes.
#include "src/ops/dense_product.h"

#include <cpuid.h>

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <algorithm>
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

// Of W in fp32 at a time: what the second cache level and the products' own buffers hold.
constexpr int64_t kWidenedBytes = 4 << 20;

bool is_half(at::ScalarType type) { return type == at::kHalf || type == at::kBFloat16; }

bool widens(const at::Tensor& x) {
  return is_half(x.scalar_type()) && x.device().is_cpu() && !x.is_meta() && x.numel() > 0 &&
         !cpu_multiplies(x.scalar_type());
}

// `rows` in fp32 as they lie, by rows or by columns, in memory of `scratch`.
at::Tensor widened_rows(const at::Tensor& rows, const at::Tensor& scratch) {
  const at::Tensor memory = scratch.slice(0, 0, rows.numel());
  const bool by_columns = rows.stride(0) == 1 && rows.stride(1) != 1;
  const at::Tensor values = by_columns ? memory.view({rows.size(1), rows.size(0)}).t()
                                       : memory.view({rows.size(0), rows.size(1)});
  return values.copy_(rows);
}

}  // namespace

bool cpu_multiplies(at::ScalarType type) {
  static const bool bf16 = __builtin_cpu_supports("avx512bw") != 0 &&
                           __builtin_cpu_supports("avx512vl") != 0 &&
                           __builtin_cpu_supports("avx512dq") != 0;
  static const bool fp16 = __builtin_cpu_supports("avx512fp16") != 0;
  if (type == at::kBFloat16) return bf16;
  return type == at::kHalf ? fp16 : true;
}

at::Tensor widened_product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const int64_t out = weight.size(0);
  const int64_t in = weight.size(1);
  const int64_t block = std::clamp<int64_t>(
      kWidenedBytes / static_cast<int64_t>(sizeof(float)) / std::max<int64_t>(in, 1), 1,
      std::max<int64_t>(out, 1));
  const at::Tensor scratch = at::empty({block * in}, x.options().dtype(at::kFloat));
  const at::Tensor wide = x.to(at::kFloat);
  std::vector<int64_t> sizes = x.sizes().vec();
  sizes.back() = out;
  at::Tensor y = at::empty(sizes, x.options());
  for (int64_t first = 0; first < out; first += block) {
    const int64_t last = std::min(first + block, out);
    at::Tensor part = dense_product(wide, widened_rows(weight.slice(0, first, last), scratch));
    if (bias.defined()) part.add_(bias.slice(0, first, last));
    y.slice(-1, first, last).copy_(part);
  }
  return y;
}

at::Tensor dense_affine(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  if (x.scalar_type() == at::kFloat) return dense_product(x, weight).add_(bias);
  return widens(x) ? widened_product(x, weight, bias) : at::linear(x, weight, bias);
}

at::Tensor dense_product_by(ProductLibrary library, const at::Tensor& x, const at::Tensor& weight) {
  if (library == ProductLibrary::kOneDnn) return onednn_product(x, weight);
  if (library == ProductLibrary::kWidened) return widened_product(x, weight, {});
  if (x.dim() < 3) return at::matmul(x, weight.t());
  // What at::matmul does in the end, without its way there.
  std::vector<int64_t> sizes = x.sizes().vec();
  sizes.back() = weight.size(0);
  return x.reshape({-1, x.size(-1)}).mm(weight.t()).view(sizes);
}

at::Tensor dense_product(const at::Tensor& x, const at::Tensor& weight) {
  if (widens(x)) return widened_product(x, weight, {});
  const bool fp32_cpu = x.scalar_type() == at::kFloat && x.device().is_cpu() && !x.is_meta();
  const bool onednn = fp32_cpu && prefers_onednn() && x.numel() > 0;
  return dense_product_by(onednn ? ProductLibrary::kOneDnn : ProductLibrary::kMatmul, x, weight);
}

std::string dense_product_rule() {
  const std::string vendor = cpu_vendor();
  const std::string fp32 =
      prefers_onednn() ? "fp32: oneDNN (" + vendor + ")" : "fp32: at::matmul (" + vendor + ")";
  const auto half = [](at::ScalarType type) {
    return cpu_multiplies(type) ? "at::matmul" : "by fp32";
  };
  return fp32 + "; bf16: " + half(at::kBFloat16) + "; fp16: " + half(at::kHalf);
}

}  // namespace dorabooth
