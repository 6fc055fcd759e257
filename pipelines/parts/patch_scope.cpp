// Arithmetic in fp32 on the model's device, one rounding to the model's type.
#include "pipelines/parts/patch_scope.h"

#include <ATen/ATen.h>

#include <map>
#include <utility>

#include "src/adapter/adapter_keys.h"
#include "src/base/error.h"
#include "src/nn/linear.h"

namespace dorabooth {

namespace {

torch::nn::Module* component_module(const SdxlBundle& bundle, const std::string& name) {
  if (name == "unet") return bundle.unet.get();
  if (name == "text_encoder") return bundle.text_encoder.get();
  return name == "text_encoder_2" ? bundle.text_encoder_2.get() : nullptr;
}

// "unet.down_blocks.0.….conv1".
nn::Layer& layer_named(const SdxlBundle& bundle, const std::string& module) {
  torch::nn::Module* at = component_module(bundle, component_of(module));
  std::string rest = path_in_component(module);
  while (at && !rest.empty()) {
    const std::string part = component_of(rest);  // up to the first dot
    rest = path_in_component(rest);
    torch::nn::Module* below = nullptr;
    for (const auto& child : at->named_children()) {
      if (child.key() == part) below = child.value().get();
    }
    at = below;
  }
  auto* layer = dynamic_cast<nn::Layer*>(at);
  if (!layer) fail("the base has no layer ", module);
  return *layer;
}

at::Tensor parameter_of(const nn::Layer& layer, const std::string& name) {
  for (const auto& item : layer.named_parameters(/*recurse=*/false)) {
    if (item.key() == name) return item.value();
  }
  fail("a layer has no ", name);
}

WeightPatch on_device(const WeightPatch& patch, at::Device device) {
  WeightPatch result = patch;
  for (auto& [role, factor] : result.factors) factor = factor.to(device);
  if (result.magnitude.defined()) result.magnitude = result.magnitude.to(device);
  return result;
}

}  // namespace

ParameterShapes bundle_shapes(const SdxlBundle& bundle) {
  ParameterShapes shapes;
  for (const char* component : {"unet", "text_encoder", "text_encoder_2"}) {
    const torch::nn::Module* module = component_module(bundle, component);
    if (!module) continue;
    for (const auto& item : module->named_parameters()) {
      shapes[concat(component, ".", item.key())] = item.value().sizes().vec();
    }
  }
  return shapes;
}

BaseWeights weights_of(const SdxlBundle& bundle) {
  return [&bundle](const std::string& module) {
    const at::NoGradGuard no_grad;
    nn::Layer& layer = layer_named(bundle, module);
    if (auto* linear = dynamic_cast<nn::Linear*>(&layer)) {
      return linear->weight()->rows(0, linear->out_features()).to(at::kCPU);
    }
    layer.restore();
    return parameter_of(layer, "weight").to(at::kCPU, at::kFloat);
  };
}

PatchScope::PatchScope(const SdxlBundle& bundle, const std::vector<AppliedPatch>& patches,
                       StrengthRule rule) {
  std::map<std::string, std::vector<AppliedPatch>> by_parameter;
  for (const AppliedPatch& applied : patches) {
    by_parameter[applied.patch->parameter].push_back(applied);
  }
  try {
    for (const auto& [parameter, own] : by_parameter) {
      const std::string& module = own[0].patch->module;
      apply(layer_named(bundle, module), parameter.substr(module.size() + 1), own, rule);
    }
  } catch (...) {
    put_back();
    throw;
  }
}

void PatchScope::apply(nn::Layer& layer, const std::string& name,
                       const std::vector<AppliedPatch>& patches, StrengthRule rule) {
  const at::NoGradGuard no_grad;
  layer.restore();
  const at::Tensor value = parameter_of(layer, name);
  Kept kept{&layer, name, value, nullptr};
  at::Tensor base;
  if (auto* linear = dynamic_cast<nn::Linear*>(&layer); linear && name == "weight") {
    base = linear->weight()->rows(0, linear->out_features());
    if (value.is_meta()) kept.weight = linear->weight();
  } else {
    base = value.to(at::kFloat);
  }
  at::Tensor result;
  for (const AppliedPatch& applied : patches) {
    const WeightPatch own = on_device(*applied.patch, base.device());
    const at::Tensor one = patched(own, base, applied.strength, rule);
    result = result.defined() ? result + (one - base) : one;
  }
  const at::Tensor stored = at::empty_like(value, value.options().device(base.device()));
  stored.copy_(result);
  kept_.push_back(std::move(kept));
  layer.assign(name, stored);
}

void PatchScope::put_back() noexcept {
  for (auto kept = kept_.rbegin(); kept != kept_.rend(); ++kept) {
    if (kept->weight) {
      static_cast<nn::Linear*>(kept->layer)->set_weight(kept->weight);
    } else {
      kept->layer->assign(kept->name, kept->value);
    }
  }
  kept_.clear();
}

PatchScope::PatchScope(PatchScope&& other) noexcept : kept_(std::exchange(other.kept_, {})) {}

PatchScope& PatchScope::operator=(PatchScope&& other) noexcept {
  if (this != &other) {
    put_back();
    kept_ = std::exchange(other.kept_, {});
  }
  return *this;
}

PatchScope::~PatchScope() { put_back(); }

}  // namespace dorabooth
