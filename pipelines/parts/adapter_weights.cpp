#include "pipelines/parts/adapter_weights.h"

#include <ATen/ATen.h>

#include "src/adapter/adapter_keys.h"
#include "src/base/error.h"
#include "src/device/adapter_core_choice.h"

namespace dorabooth {

namespace {

Component component_named(const std::string& name) {
  for (const Component component : kComponents) {
    if (component_name(component) == name) return component;
  }
  fail("no component is named ", name);
}

std::shared_ptr<nn::Linear> layer_of(const at::Tensor& weight) {
  auto layer =
      std::make_shared<nn::Linear>(weight.size(1), weight.size(0), false, at::TensorOptions());
  layer->assign("weight", weight);
  return layer;
}

}  // namespace

at::Tensor base_weight(const Checkpoint& base, const std::string& module) {
  const Component component = component_named(component_of(module));
  return base.weights(component).copy(path_in_component(module) + ".weight", at::kFloat, at::kCPU);
}

BaseWeights weights_of(const Checkpoint& base) {
  return [&base](const std::string& module) { return base_weight(base, module); };
}

StoredParameter stored_parameter(const Checkpoint& base, const std::string& parameter) {
  const Weights& weights = base.weights(component_named(component_of(parameter)));
  const std::string name = path_in_component(parameter);
  return {weights.copy(name, at::kFloat, at::kCPU), weights.at(name).entry->dtype};
}

AdaptedWeight::AdaptedWeight(const AdapterFile& adapter, const std::string& module,
                             const at::Tensor& weight)
    : module_(module),
      layer_(layer_of(weight)),
      set_(AdapterSet::from_tensors(adapter.spec, {{module, layer_.get()}},
                                    {{module, adapter.modules.at(module)}},
                                    adapter_core(at::kCPU))) {}

at::Tensor AdaptedWeight::merged(double strength, StrengthRule rule) {
  const at::NoGradGuard no_grad;
  set_.set_strength(strength, rule);
  return set_.find(module_)->merged_rows(*layer_->weight(), 0, layer_->out_features());
}

at::Tensor changed_weight(const AdapterContents& adapter, const std::string& module,
                          const at::Tensor& weight, double strength, StrengthRule rule) {
  if (const WeightPatch* patch = adapter.find_patch(module + ".weight")) {
    return patched(*patch, weight, strength, rule);
  }
  return AdaptedWeight(adapter.file, module, weight).merged(strength, rule);
}

bool changes_weight(const AdapterContents& adapter, const std::string& module) {
  return adapter.file.modules.contains(module) || adapter.find_patch(module + ".weight");
}

}  // namespace dorabooth
