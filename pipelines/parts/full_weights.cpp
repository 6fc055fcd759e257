// The base's numbers are read from its files again where a difference is taken: the models may hold
// them in half precision or packed.
#include "pipelines/parts/full_weights.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "src/base/error.h"
#include "src/nn/norm.h"

namespace dorabooth {

namespace {

at::Tensor in_leaf_layout(const at::Tensor& value) {
  return value.dim() == 4 ? value.permute({0, 2, 3, 1}) : value;
}

at::Tensor in_model_layout(const at::Tensor& leaf) {
  return leaf.dim() == 4 ? leaf.permute({0, 3, 1, 2}) : leaf;
}

torch::nn::Module& model_of(const SdxlBundle& bundle, Component component) {
  if (component == Component::kUNet) return *bundle.unet;
  return component == Component::kTextEncoder ? *bundle.text_encoder : *bundle.text_encoder_2;
}

bool is_norm(const nn::Layer* layer) {
  return dynamic_cast<const nn::GroupNorm*>(layer) || dynamic_cast<const nn::LayerNorm*>(layer);
}

// Readers apply a norm's bias only beside its weight: alone it goes as any other bias.
AdapterRole role_of(const nn::LayerParameter& parameter, bool weight_trains) {
  const bool norm = is_norm(parameter.layer);
  if (parameter.name == "bias") {
    return norm && weight_trains ? AdapterRole::kNormBiasDifference : AdapterRole::kBiasDifference;
  }
  return norm ? AdapterRole::kNormDifference : AdapterRole::kDifference;
}

}  // namespace

void FullWeightScope::put_back() noexcept {
  for (auto& [layer, kept] : kept_) layer->put_back(kept);
  kept_.clear();
}

FullWeightScope::FullWeightScope(FullWeightScope&& other) noexcept
    : kept_(std::exchange(other.kept_, {})) {}

FullWeightScope& FullWeightScope::operator=(FullWeightScope&& other) noexcept {
  if (this != &other) {
    put_back();
    kept_ = std::exchange(other.kept_, {});
  }
  return *this;
}

FullWeights::FullWeights(const AdapterSpec& spec, const SdxlBundle& bundle, Checkpoint base,
                         const std::vector<Component>& components)
    : base_(std::move(base)), dtype_(bundle.dtype) {
  for (const Component component : components) {
    const Weights& weights = base_.weights(component);
    for (nn::LayerParameter& parameter : nn::layer_parameters(model_of(bundle, component))) {
      const std::string path = parameter.full_name;
      const std::string name = concat(component_name(component), ".", path);
      const std::string module = name.substr(0, name.size() - parameter.name.size() - 1);
      if (!spec.trains_parameter(module, name)) continue;
      const bool weight_trains = spec.trains_parameter(module, module + ".weight");
      const AdapterRole role = role_of(parameter, weight_trains);
      const at::Tensor leaf = in_leaf_layout(weights.copy(path, at::kFloat, bundle.device))
                                  .clone(at::MemoryFormat::Contiguous)
                                  .requires_grad_();
      parameter.value = at::Tensor();
      trained_.push_back({component, path, module, std::move(parameter), role, leaf});
    }
  }
  if (!trained_.empty()) return;
  std::string patterns;
  for (const std::string& pattern : spec.target_modules) patterns += " " + pattern;
  fail("no parameter of the base matches the target modules", patterns, " of full");
}

std::vector<AdapterParameter> FullWeights::parameters() const {
  std::vector<AdapterParameter> all;
  for (const Trained& trained : trained_) {
    all.push_back({concat(trained.module, ".", trained.at.name), trained.module, trained.leaf});
  }
  return all;
}

size_t FullWeights::module_count() const {
  std::set<std::string> modules;
  for (const Trained& trained : trained_) modules.insert(trained.module);
  return modules.size();
}

FullWeightScope FullWeights::attach() const {
  FullWeightScope scope;
  for (const Trained& trained : trained_) {
    nn::Layer& layer = *trained.at.layer;
    // A layer's parameters are neighbours.
    if (scope.kept_.empty() || scope.kept_.back().first != &layer) {
      scope.kept_.emplace_back(&layer, layer.keep());
    }
    // Without a graph it is a weight like any other, which the frozen products serve.
    const bool records = at::GradMode::is_enabled();
    const at::Tensor value = in_model_layout(records ? trained.leaf : trained.leaf.detach());
    layer.assign(trained.at.name, value.to(dtype_));
  }
  return scope;
}

at::Tensor FullWeights::base_of(const Trained& trained) const {
  return base_.weights(trained.component).copy(trained.path, at::kFloat, at::kCPU);
}

at::Tensor FullWeights::value_of(const Trained& trained) const {
  return in_model_layout(trained.leaf.detach()).to(at::kCPU).contiguous();
}

std::vector<WeightPatch> FullWeights::differences() const {
  const at::NoGradGuard no_grad;
  std::vector<WeightPatch> patches;
  for (const Trained& trained : trained_) {
    WeightPatch patch;
    patch.module = trained.module;
    patch.parameter = concat(trained.module, ".", trained.at.name);
    const bool of_norm = trained.role == AdapterRole::kNormDifference ||
                         trained.role == AdapterRole::kNormBiasDifference;
    patch.algebra = of_norm ? Algebra::kNormDifference : Algebra::kDifference;
    const at::Tensor difference = value_of(trained) - base_of(trained);
    patch.shape = difference.sizes().vec();
    patch.factors[trained.role] = difference;
    patches.push_back(std::move(patch));
  }
  return patches;
}

std::map<std::string, BlockDrift> FullWeights::drift() const {
  const at::NoGradGuard no_grad;
  const auto squares = [](const at::Tensor& x) {
    return x.square().sum(at::kDouble).item<double>();
  };
  std::map<std::string, std::pair<double, double>> sums;  // change, base
  for (const Trained& trained : trained_) {
    const at::Tensor base = base_of(trained);
    auto& [change2, base2] = sums[block_of(trained.module)];
    change2 += squares(value_of(trained) - base);
    base2 += squares(base);
  }
  std::map<std::string, BlockDrift> drifts;
  for (const auto& [block, sum] : sums) {
    BlockDrift& drift = drifts[block];
    if (sum.second > 0) drift.weight_change = std::sqrt(sum.first / sum.second);
  }
  return drifts;
}

}  // namespace dorabooth
