// On a CPU weights are kept channels_last: at::conv2d then takes oneDNN for every shape, where
// small inputs in the default format would go through im2col and MKL.
#include "src/nn/conv2d.h"

#include <torch/csrc/autograd/custom_function.h>

#include <ATen/ATen.h>

#include "src/base/error.h"

namespace dorabooth::nn {

namespace {

// A convolution whose weight gets no gradient: the gradient of x needs the weight alone, so that
// the input, which at::conv2d would keep for the weight's sake, is not saved.
struct FrozenConvolution : torch::autograd::Function<FrozenConvolution> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& weight, const at::Tensor& bias, int64_t stride,
                            int64_t padding) {
    context->save_for_backward({weight});
    context->saved_data["shape"] = x.sizes().vec();
    context->saved_data["stride"] = stride;
    context->saved_data["padding"] = padding;
    return at::conv2d(x, weight, bias, stride, padding);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grad_outputs) {
    const at::Tensor weight = context->get_saved_variables()[0];
    const at::Tensor& dy = grad_outputs[0];
    const std::vector<int64_t> shape = context->saved_data["shape"].toIntVector();
    // Only its shape and format are looked at: pages of this memory are never touched.
    const at::Tensor x_shaped =
        at::empty(shape, dy.options().memory_format(dy.suggest_memory_format()));
    const auto [dx, dw, db] = at::convolution_backward(
        dy, x_shaped, weight, /*bias_sizes=*/std::nullopt, {context->saved_data["stride"].toInt()},
        {context->saved_data["padding"].toInt()}, /*dilation=*/{1}, /*transposed=*/false,
        /*output_padding=*/{0}, /*groups=*/1, {true, false, false});
    return {dx, at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

Conv2d::Conv2d(int64_t in_channels, int64_t out_channels, Window window,
               const at::TensorOptions& options)
    : window_(window) {
  declare("weight", {out_channels, in_channels, window.size, window.size}, options);
  declare("bias", {out_channels}, options);
  on_assigned();
}

void Conv2d::on_assigned() {
  at::Tensor& weight = parameters_["weight"];
  if (weight.is_cpu()) weight = weight.contiguous(at::MemoryFormat::ChannelsLast);
  weight_ = weight;
  bias_ = value("bias");
}

at::Tensor Conv2d::forward(const at::Tensor& x) const {
  if (x.dim() != 4 || x.size(1) != weight_.size(1)) {
    fail("convolution: want an input [batch,", weight_.size(1), ",height,width], got ",
         shape_text(x.sizes().vec()));
  }
  const bool trains = weight_.requires_grad() || bias_.requires_grad();
  if (at::GradMode::is_enabled() && x.requires_grad() && !trains) {
    return FrozenConvolution::apply(x, weight_, bias_, window_.stride, window_.padding);
  }
  return at::conv2d(x, weight_, bias_, window_.stride, window_.padding);
}

}  // namespace dorabooth::nn
