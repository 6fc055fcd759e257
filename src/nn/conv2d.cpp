// Frozen weights on a CPU go to convolution_weight.h where it serves them, everything else to
// LibTorch.
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
                            const at::Tensor& bias,
                            const c10::intrusive_ptr<ConvolutionWeight>& weight) {
    context->saved_data["weight"] = c10::IValue::make_capsule(weight);
    context->saved_data["shape"] = x.sizes().vec();
    return weight->forward(x, bias);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grad_outputs) {
    const auto holder = context->saved_data["weight"].toCapsule();
    auto& weight = static_cast<ConvolutionWeight&>(*holder);
    const std::vector<int64_t> shape = context->saved_data["shape"].toIntVector();
    return {weight.backward(grad_outputs[0], shape), at::Tensor(), at::Tensor()};
  }
};

// The same through LibTorch, for other devices and types.
struct PlainFrozenConvolution : torch::autograd::Function<PlainFrozenConvolution> {
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
  // oneDNN's order of the weight, and LibTorch's for channels_last results.
  if (weight.is_cpu()) weight = weight.contiguous(at::MemoryFormat::ChannelsLast);
  if (!has_placeholder()) weight_ = c10::make_intrusive<ConvolutionWeight>(weight, window_);
  bias_ = value("bias");
}

// The weight was packed: its values are in weight_ alone.
bool Conv2d::has_placeholder() const { return weight_ && value("weight").is_same(placeholder_); }

void Conv2d::restore() {
  if (has_placeholder()) assign("weight", weight_->plain());
}

// Handles: a packed weight is shared with its parameter's placeholder.
std::shared_ptr<const void> Conv2d::form() const {
  return std::make_shared<Form>(Form{weight_, placeholder_});
}

void Conv2d::set_form(const std::shared_ptr<const void>& form) {
  const auto& kept = *static_cast<const Form*>(form.get());
  weight_ = kept.weight;
  placeholder_ = kept.placeholder;
  bias_ = value("bias");
}

at::Tensor Conv2d::forward(const at::Tensor& x) {
  const at::Tensor& weight = value("weight");
  if (x.dim() != 4 || x.size(1) != weight.size(1)) {
    fail("convolution: want an input [batch,", weight.size(1), ",height,width], got ",
         shape_text(x.sizes().vec()));
  }
  if (weight.requires_grad() && has_placeholder()) {
    fail("convolution: a weight that is to train must be taken from layer_parameters()");
  }
  const bool trains = weight.requires_grad() || bias_.requires_grad();
  const bool records = at::GradMode::is_enabled() && x.requires_grad();
  if (!trains && ConvolutionWeight::serves(x, weight)) return convolve(x, records);
  const at::Tensor dense = weight_->plain();
  if (records && !trains) {
    return PlainFrozenConvolution::apply(x, dense, bias_, window_.stride, window_.padding);
  }
  return at::conv2d(x, dense, bias_, window_.stride, window_.padding);
}

at::Tensor Conv2d::convolve(const at::Tensor& x, bool records) {
  const at::Tensor y =
      records ? FrozenConvolution::apply(x, bias_, weight_) : weight_->forward(x, bias_);
  if (weight_->is_packed() && !has_placeholder()) {
    const at::Tensor& weight = value("weight");
    placeholder_ = at::empty(weight.sizes(), weight.options().device(at::kMeta));
    assign("weight", placeholder_);
  }
  return y;
}

}  // namespace dorabooth::nn
