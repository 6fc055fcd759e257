// A weight's change is a LoRA or DoRA of a linear layer where its tensors are, and a patch
// otherwise.
#include "src/adapter/adapter_contents.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "src/adapter/adapter_source.h"
#include "src/adapter/bundled_embedding.h"
#include "src/adapter/comfyui_rule.h"
#include "src/adapter/linear_reader.h"
#include "src/adapter/vera_file.h"
#include "src/base/error.h"
#include "src/tensorfile/header.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

// Modules whose weight changes by LoRA or DoRA of a linear layer.
std::vector<std::string> pairs_of(const AdapterSource& source, const LinearLayers& layers) {
  std::set<std::string> linear;
  for (const auto& [name, layer] : layers) linear.insert(name);
  std::vector<std::string> pairs;
  for (const auto& [module, parts] : source.parts()) {
    if (linear.contains(module) && parts.changes_weight() && parts.is_pair()) {
      pairs.push_back(module);
    }
  }
  return pairs;
}

class ContentsReader {
 public:
  ContentsReader(const AdapterSource& source, const LinearLayers& layers,
                 const ReadingOptions& options)
      : source_(source), layers_(layers), input_axis_(input_axis_of(source, options)) {}

  AdapterContents read() {
    const std::vector<std::string> pairs = pairs_of(source_, layers_);
    const std::set<std::string> plain(pairs.begin(), pairs.end());
    for (const auto& [module, parts] : source_.parts()) {
      if (parts.changes_weight() && !plain.contains(module)) add_weight_patch(module, parts);
      add_bias_patch(module, parts, AdapterRole::kBiasDifference, Algebra::kDifference);
      add_bias_patch(module, parts, AdapterRole::kNormBiasDifference, Algebra::kNormDifference);
    }
    contents_.file = read_linear_adapters(source_, layers_, pairs, input_axis_);
    const auto& header = source_.header();
    if (pairs.empty() && header && header->spec.is_full()) contents_.file.spec = header->spec;
    for (const TensorEntry* entry : source_.embeddings()) {
      contents_.embeddings[entry->name] = source_.numbers(*entry);
    }
    contents_.ignored_keys = source_.ignored();
    return std::move(contents_);
  }

 private:
  void add_weight_patch(const std::string& module, const ModuleParts& parts) {
    WeightPatch patch;
    patch.module = module;
    patch.parameter = module + ".weight";
    patch.algebra = parts.algebra();
    patch.shape = source_.shape_of(patch.parameter);
    for (const auto& [role, entry] : parts.all()) {
      const bool of_weight = role != AdapterRole::kAlpha && role != AdapterRole::kBiasDifference &&
                             role != AdapterRole::kNormBiasDifference && entry != parts.magnitude();
      if (of_weight) patch.factors[role] = source_.numbers(*entry);
    }
    if (patch.algebra == Algebra::kNone && !parts.magnitude()) {
      fail(quoted_name(parts.all().begin()->second->name),
           " stands alone: its factors are missing");
    }
    check_patch(patch);
    patch.scale = scale_of(module, patch, parts);
    read_magnitude(parts, patch);
    contents_.patches.push_back(std::move(patch));
  }

  void add_bias_patch(const std::string& module, const ModuleParts& parts, AdapterRole role,
                      Algebra algebra) {
    const TensorEntry* entry = parts.find(role);
    if (!entry) return;
    WeightPatch patch;
    patch.module = module;
    patch.parameter = module + ".bias";
    patch.algebra = algebra;
    patch.shape = source_.shape_of(patch.parameter);
    patch.factors[role] = source_.numbers(*entry);
    check_patch(patch);
    contents_.patches.push_back(std::move(patch));
  }

  void read_magnitude(const ModuleParts& parts, WeightPatch& patch) const {
    const auto config = source_.configs().find(component_of(patch.module));
    const bool has = parts.magnitude() != nullptr;
    if (config != source_.configs().end() && config->second.use_dora != has) {
      fail(patch.module, has ? " has DoRA magnitudes, but use_dora is false"
                             : ": use_dora is true, but its magnitudes are missing");
    }
    if (!has) return;
    patch.magnitude = source_.numbers(*parts.magnitude()).flatten();
    patch.input_axis = input_axis_.value_or(false);
  }

  double scale_of(const std::string& module, const WeightPatch& patch,
                  const ModuleParts& parts) const {
    const TensorEntry* alpha = parts.find(AdapterRole::kAlpha);
    const auto config = source_.configs().find(component_of(module));
    if (alpha && config != source_.configs().end()) {
      fail(quoted_name(alpha->name), ": alpha stands in the header too");
    }
    const std::optional<int64_t> rank = patch.rank();
    if (!rank) return 1.0;
    const auto r = static_cast<double>(*rank);
    if (alpha) return source_.alpha(*alpha) / r;
    if (config == source_.configs().end()) return 1.0;
    const double stated = config->second.alpha_of(path_in_component(module));
    return stated / (config->second.use_rslora ? std::sqrt(r) : r);
  }

  const AdapterSource& source_;
  const LinearLayers& layers_;
  std::optional<bool> input_axis_;
  AdapterContents contents_;
};

}  // namespace

std::string AdapterContents::kinds() const {
  std::vector<std::string> titles;
  if (!file.modules.empty()) titles.push_back(file.spec.kind);
  for (const WeightPatch& patch : patches) {
    if (std::ranges::find(titles, patch.title()) == titles.end()) titles.push_back(patch.title());
  }
  std::string text;
  for (const std::string& title : titles) text += (text.empty() ? "" : ", ") + title;
  return text;
}

std::vector<std::string> AdapterContents::modules() const {
  std::set<std::string> names;
  for (const auto& [module, tensors] : file.modules) names.insert(module);
  for (const WeightPatch& patch : patches) names.insert(patch.module);
  return {names.begin(), names.end()};
}

const WeightPatch* AdapterContents::find_patch(const std::string& parameter) const {
  const auto found = std::ranges::find(patches, parameter, &WeightPatch::parameter);
  return found == patches.end() ? nullptr : &*found;
}

bool bundles_embeddings(const fs::path& path) {
  return std::ranges::any_of(
      SafetensorsFile(adapter_tensor_file(path)).entries(),
      [](const TensorEntry& entry) { return parse_bundled_key(entry.name).has_value(); });
}

AdapterContents read_adapter_contents(const fs::path& path, const LinearLayers& layers,
                                      const ParameterShapes& shapes, const ReadingOptions& options,
                                      const BaseWeights& base) {
  try {
    if (is_vera_folder(path)) {
      AdapterContents contents;
      contents.file = read_vera_folder(path, layers);
      return contents;
    }
  } catch (const Error& error) {
    fail(path.string(), ": ", error.what());
  }
  AdapterSource source(path, shapes, options);
  try {
    source.read();
    refuse_foreign_rule(source.metadata(), base);
    AdapterContents contents = ContentsReader(source, layers, options).read();
    if (has_comfyui_magnitudes(source.metadata())) restore_magnitudes(contents, base);
    return contents;
  } catch (const Error& error) {
    fail(path.string(), ": ", error.what());
  }
}

}  // namespace dorabooth
