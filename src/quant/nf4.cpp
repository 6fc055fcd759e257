// The 4-bit part runs in the adapter core; the magnitudes, a sixty-fourth of it, in torch.
#include "src/quant/nf4.h"

#include <ATen/ATen.h>

#include <cmath>
#include <vector>

#include "src/base/error.h"
#include "src/device/adapter_core_choice.h"
#include "src/ops/core_arguments.h"

namespace dorabooth {

namespace {

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
    : QuantizedWeight(weight),
      tensors_(nf4_quantize(weight, double_quantization, core)),
      core_(&core) {}

Nf4Weight::Nf4Weight(Nf4Tensors tensors, int64_t out, int64_t in, at::ScalarType dtype,
                     const AdapterCore& core)
    : QuantizedWeight(out, in, dtype), tensors_(std::move(tensors)), core_(&core) {
  const int64_t blocks = (out * in + kNf4Block - 1) / kNf4Block;
  const at::Tensor& absmax = tensors_.absmax.defined() ? tensors_.absmax : tensors_.absmax_index;
  if (tensors_.packed.numel() != (out * in + 1) / 2 || absmax.numel() != blocks) {
    fail("NF4 of [", out, ",", in, "]: got ", tensors_.packed.numel(), " bytes and ",
         absmax.numel(), " blocks");
  }
}

at::Tensor Nf4Weight::core_rows(int64_t first, int64_t last) const {
  at::Tensor block =
      at::empty({last - first, in_features()}, tensors_.packed.options().dtype(dtype()));
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
  args.first = first * in_features();
  args.count = block.numel();
  args.values = block.data_ptr();
  args.type = element_type(dtype());
  core_->nf4_dequantize(args);
  return block;
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
