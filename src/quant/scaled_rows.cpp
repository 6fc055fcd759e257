// Arithmetic in fp32, by blocks of rows, with one rounding to the code and one to the products'
// dtype.
#include "src/quant/scaled_rows.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <tuple>
#include <vector>

#include "kernels/cpu/scaled_rows.h"
#include "src/base/error.h"
#include "src/device/adapter_core_choice.h"
#include "src/ops/core_arguments.h"

namespace dorabooth {

namespace {

constexpr double kLargestInt8 = 127;
constexpr double kLargestE4M3 = 448;
constexpr int64_t kRowsPerBlock = 512;

// The smallest power of two by which `absmax` is at most `largest`.
at::Tensor power_of_two_scale(const at::Tensor& absmax, double largest) {
  const at::Tensor quotient = absmax / largest;
  // mantissa · 2^exponent with a mantissa in [1/2, 1): the division is exact.
  const at::Tensor mantissa = std::get<0>(at::frexp(quotient));
  const at::Tensor above = quotient / mantissa;
  return at::where(mantissa == 0.5, above / 2, above);
}

at::Tensor scale_of(const at::Tensor& absmax, ByteCode code) {
  const at::Tensor scale =
      code == ByteCode::kInt8 ? absmax / kLargestInt8 : power_of_two_scale(absmax, kLargestE4M3);
  return at::where(scale > 0, scale, at::ones_like(scale));
}

}  // namespace

ScaledRows quantize_rows(const at::Tensor& weight, ByteCode code) {
  const at::NoGradGuard no_grad;
  ScaledRows result;
  const auto type = code == ByteCode::kInt8 ? at::kChar : at::kFloat8_e4m3fn;
  result.codes = at::empty(weight.sizes(), weight.options().dtype(type));
  std::vector<at::Tensor> scales;
  for (int64_t first = 0; first < weight.size(0); first += kRowsPerBlock) {
    const int64_t last = std::min(first + kRowsPerBlock, weight.size(0));
    const at::Tensor rows = weight.detach().slice(0, first, last).to(at::kFloat);
    const at::Tensor absmax = rows.abs().amax(1);
    if (!at::isfinite(absmax).all().item<bool>()) {
      fail("a matrix to quantise has numbers that are not finite in rows ", first, " to ", last);
    }
    const at::Tensor scale = scale_of(absmax, code);
    at::Tensor codes = rows.div(scale.unsqueeze(1));
    if (code == ByteCode::kInt8) codes.round_().clamp_(-kLargestInt8, kLargestInt8);
    result.codes.slice(0, first, last).copy_(codes);
    scales.push_back(scale);
  }
  result.scale = at::cat(scales);
  return result;
}

ScaledRowsWeight::ScaledRowsWeight(const at::Tensor& weight, ByteCode code)
    : QuantizedWeight(weight), stored_(quantize_rows(weight, code)) {}

at::Tensor ScaledRowsWeight::core_rows(int64_t first, int64_t last) const {
  const at::NoGradGuard no_grad;
  const at::Tensor codes = stored_.codes.slice(0, first, last);
  const at::Tensor scale = stored_.scale.slice(0, first, last);
  if (!codes.is_cpu()) return codes.to(at::kFloat).mul_(scale.unsqueeze(1)).to(dtype());
  at::Tensor values = at::empty(codes.sizes(), dtype());
  cpu::ScaledRowsArgs args;
  args.on = execution_on(codes.device());
  args.codes = static_cast<const uint8_t*>(codes.const_data_ptr());
  args.is_e4m3 = codes.scalar_type() == at::kFloat8_e4m3fn;
  args.scale = scale.const_data_ptr<float>();
  args.rows = last - first;
  args.columns = in_features();
  args.values = values.mutable_data_ptr();
  args.type = element_type(dtype());
  cpu::scaled_rows(args);
  return values;
}

size_t ScaledRowsWeight::bytes() const { return stored_.codes.nbytes() + stored_.scale.nbytes(); }

}  // namespace dorabooth
