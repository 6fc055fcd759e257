// One autograd function: forward runs the segment without a graph, backward runs it again with one
// and differentiates that graph there and then. Parameters are explicit inputs: with frozen inputs
// and captured parameters alone the output would want no gradient, and the segment would silently
// train nothing.
#include "src/nn/checkpointing.h"

#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <ATen/ATen.h>

#include <algorithm>

#include "src/nn/linear_layers.h"

namespace dorabooth::nn {

namespace {

struct SegmentHolder : torch::CustomClassHolder {
  SegmentHolder(Segment function, size_t count)
      : segment(std::move(function)), input_count(count) {}
  Segment segment;
  size_t input_count;  // of the tensors; the rest are parameters
};

std::vector<at::Tensor> first(at::TensorList tensors, size_t count) {
  return tensors.slice(0, count).vec();
}

struct Checkpointed : torch::autograd::Function<Checkpointed> {
  static at::Tensor forward(torch::autograd::AutogradContext* context,
                            const c10::intrusive_ptr<SegmentHolder>& holder,
                            at::TensorList tensors) {
    context->saved_data["segment"] = c10::IValue::make_capsule(holder);
    context->save_for_backward(tensors.vec());
    return holder->segment(first(tensors, holder->input_count));
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grad_outputs) {
    const auto capsule = context->saved_data["segment"].toCapsule();
    const auto& holder = static_cast<const SegmentHolder&>(*capsule);
    std::vector<at::Tensor> tensors = context->get_saved_variables();
    for (size_t i = 0; i < holder.input_count; ++i) {
      tensors[i] = tensors[i].detach().set_requires_grad(tensors[i].requires_grad());
    }

    at::Tensor output;
    {
      const at::AutoGradMode recording(true);
      output = holder.segment(first(tensors, holder.input_count));
    }
    std::vector<at::Tensor> wanted;
    std::copy_if(tensors.begin(), tensors.end(), std::back_inserter(wanted),
                 [](const at::Tensor& tensor) { return tensor.requires_grad(); });
    const std::vector<at::Tensor> gradients =
        torch::autograd::grad({output}, wanted, {grad_outputs[0]}, /*retain_graph=*/false,
                              /*create_graph=*/false, /*allow_unused=*/true);

    torch::autograd::variable_list result(1 + tensors.size());
    auto next = gradients.begin();
    for (size_t i = 0; i < tensors.size(); ++i) {
      if (tensors[i].requires_grad()) result[1 + i] = *next++;
    }
    return result;
  }
};

}  // namespace

at::Tensor checkpoint(const Segment& segment, const std::vector<at::Tensor>& inputs,
                      const std::vector<at::Tensor>& parameters) {
  std::vector<at::Tensor> tensors = inputs;
  tensors.insert(tensors.end(), parameters.begin(), parameters.end());
  const bool trains = std::any_of(tensors.begin(), tensors.end(),
                                  [](const at::Tensor& tensor) { return tensor.requires_grad(); });
  if (!at::GradMode::is_enabled() || !trains) return segment(inputs);
  return Checkpointed::apply(c10::make_intrusive<SegmentHolder>(segment, inputs.size()),
                             at::TensorList(tensors));
}

std::vector<at::Tensor> trainable_tensors(torch::nn::Module& module) {
  std::vector<at::Tensor> result;
  const auto keep = [&result](const at::Tensor& tensor) {
    if (tensor.defined() && tensor.requires_grad()) result.push_back(tensor);
  };
  for (const at::Tensor& parameter : module.parameters()) keep(parameter);
  for (const auto& [name, linear] : linear_layers(module)) {
    for (LinearAdapter* adapter : linear->slots()) {
      for (const auto& [parameter_name, parameter] : adapter->parameters()) keep(parameter);
    }
  }
  return result;
}

}  // namespace dorabooth::nn
