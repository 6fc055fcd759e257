// dx = dy·W; weight and bias travel outside the autograd arguments.
#include "src/ops/frozen_linear.h"

#include <torch/csrc/autograd/custom_function.h>

#include <ATen/ATen.h>

namespace dorabooth {

namespace {

// Weight and bias travel beside the autograd arguments: neither gets a gradient.
struct Frozen : torch::CustomClassHolder {
  Frozen(std::shared_ptr<const FrozenWeight> w, at::Tensor b)
      : weight(std::move(w)), bias(std::move(b)) {}
  std::shared_ptr<const FrozenWeight> weight;
  at::Tensor bias;
};

at::Tensor product_and_bias(const at::Tensor& x, const FrozenWeight& weight,
                            const at::Tensor& bias) {
  return bias.defined() ? weight.affine(x, bias) : weight.matmul(x);
}

struct FrozenLinear : torch::autograd::Function<FrozenLinear> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const c10::intrusive_ptr<Frozen>& frozen) {
    context->saved_data["frozen"] = c10::IValue::make_capsule(frozen);
    return product_and_bias(x, *frozen->weight, frozen->bias);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grad_outputs) {
    const auto holder = context->saved_data["frozen"].toCapsule();
    const auto& weight = static_cast<const Frozen&>(*holder).weight;
    return {weight->matmul_transposed(grad_outputs[0]), at::Tensor()};
  }
};

}  // namespace

at::Tensor frozen_linear(const at::Tensor& x, const std::shared_ptr<const FrozenWeight>& weight,
                         const at::Tensor& bias) {
  if (at::GradMode::is_enabled() && x.requires_grad()) {
    return FrozenLinear::apply(x, c10::make_intrusive<Frozen>(weight, bias));
  }
  return product_and_bias(x, *weight, bias);
}

}  // namespace dorabooth
