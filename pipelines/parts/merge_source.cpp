// W' by blocks of rows, compared with the adapted layer on a fixed random input.
#include "pipelines/parts/merge_source.h"

#include <ATen/ATen.h>

#include <nlohmann/json.hpp>
#include <set>
#include <span>

#include "pipelines/parts/checkpoint_layers.h"
#include "pipelines/parts/merged_difference.h"
#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/base/random_stream.h"
#include "src/device/adapter_core_choice.h"
#include "src/ops/dense_product.h"

namespace dorabooth {

namespace {

constexpr int64_t kRowsPerBlock = 128;  // which stay in the second-level cache
constexpr int64_t kProbeRows = 4;       // inputs on which merged and adapted layer are compared

at::Tensor probe_input(const std::string& module, int64_t in_features) {
  at::Tensor x = at::empty({kProbeRows, in_features});
  RandomStream(0, "merge/" + module)
      .normal(0, 0, std::span<float>(x.data_ptr<float>(), static_cast<size_t>(x.numel())));
  return x;
}

double largest(const at::Tensor& tensor) { return tensor.abs().max().item<double>(); }

}  // namespace

MergeSource::MergeSource(const Checkpoint& checkpoint,
                         const std::vector<std::string>& adapter_paths, StrengthRule rule)
    : checkpoint_(checkpoint), rule_(rule) {
  const LinearLayers layers = checkpoint_layers(checkpoint, shapes_);
  for (const std::string& text : adapter_paths) {
    const AdapterArgument argument = parse_adapter_argument(text);
    AdapterFile file = read_adapter_file(argument.path, layers);
    const std::string sha256 = sha256_of_file(file.path);
    given_.push_back({argument, std::move(file), sha256});
  }
}

std::vector<std::string> MergeSource::modules() const {
  std::set<std::string> names;
  for (const Given& given : given_) {
    for (const auto& [module, tensors] : given.file.modules) names.insert(module);
  }
  return {names.begin(), names.end()};
}

nlohmann::json MergeSource::receipt() const {
  nlohmann::json list = nlohmann::json::array();
  for (const Given& given : given_) {
    list.push_back({{"path", given.file.path.string()},
                    {"sha256", given.sha256},
                    {"kind", given.file.spec.kind},
                    {"strength", given.argument.strength}});
  }
  return list;
}

at::Tensor MergeSource::tensor(Component component, const std::string& name, at::ScalarType dtype,
                               std::vector<MergedLayer>& layers) const {
  const std::string suffix = ".weight";
  const Weights& weights = checkpoint_.weights(component);
  if (name.ends_with(suffix)) {
    const std::string module =
        concat(component_name(component), ".", name.substr(0, name.size() - suffix.size()));
    for (const Given& given : given_) {
      if (!given.file.modules.contains(module)) continue;
      layers.push_back({});
      layers.back().module = module;
      return merged(module, weights.copy(name, at::kFloat, at::kCPU), dtype, layers.back());
    }
  }
  return {};
}

at::Tensor MergeSource::merged(const std::string& module, const at::Tensor& weight,
                               at::ScalarType dtype, MergedLayer& note) const {
  at::NoGradGuard no_grad;
  nn::Linear layer(weight.size(1), weight.size(0), false, at::TensorOptions());
  layer.assign("weight", weight);
  std::vector<AdapterSet> sets;
  for (const Given& given : given_) {
    const auto found = given.file.modules.find(module);
    if (found == given.file.modules.end()) continue;
    sets.push_back(AdapterSet::from_tensors(given.file.spec, {{module, &layer}}, {*found},
                                            adapter_core(at::kCPU)));
    sets.back().set_strength(given.argument.strength, rule_);
  }
  at::Tensor result = at::empty(weight.sizes(), at::TensorOptions().dtype(dtype));
  const at::Tensor x = probe_input(module, weight.size(1));
  at::Tensor product = at::empty({kProbeRows, weight.size(0)});
  MergedDifference difference;
  for (int64_t first = 0; first < weight.size(0); first += kRowsPerBlock) {
    const int64_t last = std::min(first + kRowsPerBlock, weight.size(0));
    const at::Tensor base = weight.slice(0, first, last);
    // Differences from the base add up, as the slots of a layer do; one adapter stays unrounded.
    at::Tensor block = sets[0].find(module)->merged_rows(*layer.weight(), first, last);
    for (size_t i = 1; i < sets.size(); ++i) {
      block = block + (sets[i].find(module)->merged_rows(*layer.weight(), first, last) - base);
    }
    const at::Tensor stored = result.slice(0, first, last).copy_(block).to(at::kFloat);
    difference.add(base.const_data_ptr<float>(), block.const_data_ptr<float>(),
                   stored.const_data_ptr<float>(), block.numel());
    product.slice(1, first, last).copy_(dense_product(x, stored));
  }
  std::vector<AttachScope> scopes;
  for (AdapterSet& set : sets) scopes.push_back(set.attach());
  const at::Tensor adapted = layer.forward(x);
  note.largest_change = difference.change;
  note.rounding =
      difference.largest > 0 ? double{difference.rounding} / double{difference.largest} : 0.0;
  note.forward_error = largest(product - adapted) / std::max(largest(adapted), 1e-30);
  return result;
}

}  // namespace dorabooth
