// Parameters live in torch's own registry, so that named_parameters() gives the diffusers keys.
#include "src/nn/layer.h"

#include <ATen/ATen.h>

#include "src/base/error.h"

namespace dorabooth::nn {

at::Tensor& Layer::declare(const std::string& name, at::IntArrayRef shape,
                           const at::TensorOptions& options) {
  return register_parameter(name, at::empty(shape, options), /*requires_grad=*/false);
}

const at::Tensor& Layer::value(const std::string& name) const {
  static const at::Tensor undefined;
  const at::Tensor* found = parameters_.find(name);
  return found ? *found : undefined;
}

void Layer::assign(const std::string& name, at::Tensor value) {
  at::Tensor* slot = parameters_.find(name);
  if (!slot) fail("layer has no parameter ", name);
  if (slot->sizes() != value.sizes()) {
    fail(name, ": want ", shape_text(slot->sizes().vec()), ", got ",
         shape_text(value.sizes().vec()));
  }
  *slot = std::move(value);
  on_assigned();
}

Layer::Kept Layer::keep() const {
  Kept kept;
  for (const auto& item : parameters_) kept.values.push_back(item.value());
  kept.form = form();
  return kept;
}

void Layer::put_back(const Kept& kept) {
  size_t i = 0;
  for (auto& item : parameters_) item.value() = kept.values[i++];
  set_form(kept.form);
}

namespace {

void collect(torch::nn::Module& module, const std::string& prefix,
             std::vector<LayerParameter>& out) {
  auto* layer = dynamic_cast<Layer*>(&module);
  if (layer) layer->restore();
  for (const auto& item : module.named_parameters(/*recurse=*/false)) {
    if (!layer) fail("parameter ", prefix, item.key(), " is registered outside a Layer");
    out.push_back({prefix + item.key(), layer, item.key(), item.value()});
  }
  for (const auto& child : module.named_children()) {
    collect(*child.value(), prefix + child.key() + ".", out);
  }
}

}  // namespace

std::vector<LayerParameter> layer_parameters(torch::nn::Module& root) {
  std::vector<LayerParameter> result;
  collect(root, "", result);
  return result;
}

}  // namespace dorabooth::nn
