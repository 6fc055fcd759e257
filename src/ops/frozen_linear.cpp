#include "src/ops/frozen_linear.h"

#include <torch/csrc/autograd/custom_function.h>

#include <ATen/ATen.h>

namespace dorabooth {

namespace {

struct FrozenLinear : torch::autograd::Function<FrozenLinear> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const std::shared_ptr<const FrozenWeight>& weight) {
    context->saved_data["weight"] = c10::IValue::make_capsule(c10::make_intrusive<Handle>(weight));
    return weight->matmul(x);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grad_outputs) {
    const auto handle = context->saved_data["weight"].toCapsule();
    const auto& weight = static_cast<const Handle&>(*handle).weight;
    return {weight->matmul_transposed(grad_outputs[0]), at::Tensor()};
  }

  struct Handle : torch::CustomClassHolder {
    explicit Handle(std::shared_ptr<const FrozenWeight> w) : weight(std::move(w)) {}
    std::shared_ptr<const FrozenWeight> weight;
  };
};

}  // namespace

at::Tensor frozen_linear(const at::Tensor& x, const std::shared_ptr<const FrozenWeight>& weight,
                         const at::Tensor& bias) {
  at::Tensor y = at::GradMode::is_enabled() && x.requires_grad() ? FrozenLinear::apply(x, weight)
                                                                 : weight->matmul(x);
  if (!bias.defined()) return y;
  return y.requires_grad() ? y + bias : y.add_(bias);
}

}  // namespace dorabooth
