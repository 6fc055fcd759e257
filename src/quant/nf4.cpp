// The 4-bit part runs in the adapter core; the magnitudes, a sixty-fourth of it, in torch.
#include "src/quant/nf4.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "src/base/error.h"
#include "src/device/adapter_core_choice.h"
#include "src/ops/core_arguments.h"
#include "src/ops/dense_product.h"

namespace dorabooth {

namespace {

// Of dequantised values at a time.
constexpr int64_t kBlockBytes = 4 << 20;

// Indices of the nearest values of nf4_nested_code().
void quantize_absmax(const at::Tensor& absmax, Nf4Tensors& result) {
  const at::Tensor offset = absmax.mean();
  const int64_t count = absmax.numel();
  const int64_t groups = (count + kNf4NestedBlock - 1) / kNf4NestedBlock;
  const at::Tensor centred =
      at::constant_pad_nd(absmax - offset, {0, groups * kNf4NestedBlock - count}, 0)
          .view({groups, kNf4NestedBlock});
  result.nested_absmax = centred.abs().amax(1);
  const at::Tensor divisor = at::where(result.nested_absmax > 0, result.nested_absmax,
                                       at::ones_like(result.nested_absmax));
  result.nested_code = nf4_nested_code().to(absmax.device());
  const at::Tensor borders =
      (result.nested_code.slice(0, 0, 255) + result.nested_code.slice(0, 1)) / 2;
  const at::Tensor index = at::bucketize(centred / divisor.unsqueeze(1), borders);
  result.absmax_index = index.flatten().slice(0, 0, count).to(at::kByte).contiguous();
  result.offset = offset.item<float>();
}

}  // namespace

at::Tensor nf4_nested_code() {
  std::vector<at::Tensor> parts = {at::zeros({1}), at::ones({1})};
  for (int exponent = 0; exponent < 7; ++exponent) {
    const at::Tensor steps = at::linspace(0.1, 1.0, (int64_t{1} << exponent) + 1, at::kFloat);
    const at::Tensor means = (steps.slice(0, 0, -1) + steps.slice(0, 1)) / 2;
    const at::Tensor values = means * std::pow(10.0, exponent - 6);
    parts.push_back(values);
    parts.push_back(-values);
  }
  return std::get<0>(at::cat(parts).sort());
}

Nf4Tensors nf4_quantize(const at::Tensor& weight, bool double_quantization,
                        const AdapterCore& core) {
  at::NoGradGuard no_grad;
  const at::Tensor values = weight.detach().contiguous();
  const int64_t count = values.numel();
  Nf4Tensors result;
  result.packed = at::empty({(count + 1) / 2}, values.options().dtype(at::kByte));
  at::Tensor absmax =
      at::empty({(count + kNf4Block - 1) / kNf4Block}, values.options().dtype(at::kFloat));
  Nf4QuantizeArgs args;
  args.on = execution_on(values.device());
  args.weight = values.const_data_ptr();
  args.type = element_type(values.scalar_type());
  args.count = count;
  args.packed = result.packed.data_ptr<uint8_t>();
  args.absmax = absmax.data_ptr<float>();
  core.nf4_quantize(args);
  if (double_quantization) {
    quantize_absmax(absmax, result);
  } else {
    result.absmax = std::move(absmax);
  }
  return result;
}

Nf4Weight::Nf4Weight(const at::Tensor& weight, bool double_quantization, const AdapterCore& core)
    : dtype_(weight.scalar_type()), core_(&core) {
  if (weight.dim() != 2 || weight.numel() == 0) {
    fail("a matrix to quantise wants 2 axes, got ", shape_text(weight.sizes().vec()));
  }
  out_ = weight.size(0);
  in_ = weight.size(1);
  tensors_ = nf4_quantize(weight, double_quantization, core);
}

Nf4Weight::Nf4Weight(Nf4Tensors tensors, int64_t out, int64_t in, at::ScalarType dtype,
                     const AdapterCore& core)
    : out_(out), in_(in), dtype_(dtype), tensors_(std::move(tensors)), core_(&core) {
  const int64_t blocks = (out * in + kNf4Block - 1) / kNf4Block;
  const at::Tensor& absmax = tensors_.absmax.defined() ? tensors_.absmax : tensors_.absmax_index;
  if (tensors_.packed.numel() != (out * in + 1) / 2 || absmax.numel() != blocks) {
    fail("NF4 of [", out, ",", in, "]: got ", tensors_.packed.numel(), " bytes and ",
         absmax.numel(), " blocks");
  }
}

int64_t Nf4Weight::core_row_count() const {
  const int64_t row_bytes = in_ * element_size(element_type(dtype_));
  return std::clamp<int64_t>(kBlockBytes / row_bytes, 1, out_);
}

at::Tensor Nf4Weight::core_rows(int64_t first, int64_t last) const {
  at::Tensor block = at::empty({last - first, in_}, tensors_.packed.options().dtype(dtype_));
  Nf4DequantizeArgs args;
  args.on = execution_on(block.device());
  args.packed = tensors_.packed.const_data_ptr<uint8_t>();
  if (tensors_.absmax.defined()) {
    args.absmax = tensors_.absmax.const_data_ptr<float>();
  } else {
    args.absmax_index = tensors_.absmax_index.const_data_ptr<uint8_t>();
    args.nested_absmax = tensors_.nested_absmax.const_data_ptr<float>();
    args.nested_code = tensors_.nested_code.const_data_ptr<float>();
    args.offset = tensors_.offset;
  }
  args.first = first * in_;
  args.count = block.numel();
  args.values = block.data_ptr();
  args.type = element_type(dtype_);
  core_->nf4_dequantize(args);
  return block;
}

at::Tensor Nf4Weight::rows(int64_t first, int64_t last) const {
  return core_rows(first, last).to(at::kFloat);
}

at::Tensor Nf4Weight::matmul(const at::Tensor& x) const {
  const int64_t block = core_row_count();
  if (block == out_) return dense_product(x, core_rows(0, out_));
  std::vector<int64_t> sizes = x.sizes().vec();
  sizes.back() = out_;
  at::Tensor y = at::empty(sizes, x.options());
  for (int64_t first = 0; first < out_; first += block) {
    const int64_t last = std::min(first + block, out_);
    y.slice(-1, first, last).copy_(dense_product(x, core_rows(first, last)));
  }
  return y;
}

at::Tensor Nf4Weight::affine(const at::Tensor& x, const at::Tensor& bias) const {
  if (x.scalar_type() == at::kFloat) return FrozenWeight::affine(x, bias);
  std::vector<int64_t> sizes = x.sizes().vec();
  sizes.back() = out_;
  at::Tensor y = at::empty(sizes, x.options());
  const int64_t block = core_row_count();
  for (int64_t first = 0; first < out_; first += block) {
    const int64_t last = std::min(first + block, out_);
    y.slice(-1, first, last)
        .copy_(at::linear(x, core_rows(first, last), bias.slice(0, first, last)));
  }
  return y;
}

// Blocks of rows add up, in fp32 where there are several.
at::Tensor Nf4Weight::matmul_transposed(const at::Tensor& dy) const {
  const int64_t block = core_row_count();
  if (block == out_) return dense_product(dy, core_rows(0, out_).t());
  at::Tensor dx;
  for (int64_t first = 0; first < out_; first += block) {
    const int64_t last = std::min(first + block, out_);
    const at::Tensor part =
        dense_product(dy.slice(-1, first, last).contiguous(), core_rows(first, last).t());
    dx = dx.defined() ? dx.add_(part) : part.to(at::kFloat);
  }
  return dx.to(dy.scalar_type());
}

size_t Nf4Weight::bytes() const {
  size_t sum = 0;
  for (const at::Tensor* tensor : {&tensors_.packed, &tensors_.absmax, &tensors_.absmax_index,
                                   &tensors_.nested_absmax, &tensors_.nested_code}) {
    if (tensor->defined()) sum += tensor->nbytes();
  }
  return sum;
}

}  // namespace dorabooth
