// GEGLU keeps its input alone for the backward pass and computes GELU(gate) again there: that
// halves what the widest activation of a transformer block holds.
#include "src/nn/feed_forward.h"

#include <torch/csrc/autograd/custom_function.h>

#include <ATen/ATen.h>

#include "src/nn/module_list.h"

namespace dorabooth::nn {

namespace {

at::Tensor gated(const at::Tensor& projected) {
  const std::vector<at::Tensor> halves = projected.chunk(2, -1);
  return at::gelu(halves[1]).mul_(halves[0]);
}

struct Geglu : torch::autograd::Function<Geglu> {
  static at::Tensor forward(torch::autograd::AutogradContext* context,
                            const at::Tensor& projected) {
    context->save_for_backward({projected});
    return gated(projected);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grad_outputs) {
    const at::Tensor projected = context->get_saved_variables()[0];
    const at::Tensor& dy = grad_outputs[0];
    const std::vector<at::Tensor> halves = projected.chunk(2, -1);
    at::Tensor gradient = at::empty_like(projected, at::MemoryFormat::Contiguous);
    std::vector<at::Tensor> gradients = gradient.chunk(2, -1);
    at::mul_out(gradients[0], dy, at::gelu(halves[1]));
    at::gelu_backward_out(gradients[1], dy * halves[0], halves[1]);
    return {gradient};
  }
};

}  // namespace

at::Tensor geglu(const at::Tensor& projected) {
  if (at::GradMode::is_enabled() && projected.requires_grad()) return Geglu::apply(projected);
  return gated(projected);
}

FeedForward::FeedForward(int64_t channels, const at::TensorOptions& options) {
  const int64_t inner = 4 * channels;
  const auto net = register_module("net", std::make_shared<ModuleList>());
  const auto gate = net->set(0, std::make_shared<ModuleList>());
  proj_ = gate->register_module(
      "proj", std::make_shared<Linear>(channels, 2 * inner, /*bias=*/true, options));
  out_ = net->set(2, std::make_shared<Linear>(inner, channels, /*bias=*/true, options));
}

at::Tensor FeedForward::forward(const at::Tensor& x) const {
  return out_->forward(geglu(proj_->forward(x)));
}

}  // namespace dorabooth::nn
