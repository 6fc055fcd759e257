// Reading: keys -> modules -> checked tensors -> scales -> specification.
#include "src/adapter/adapter_file.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "src/adapter/adapter_header.h"
#include "src/adapter/comfyui_rule.h"
#include "src/adapter/linear_reader.h"
#include "src/adapter/magnitude_axis.h"
#include "src/adapter/tensor_facts.h"
#include "src/adapter/vera_file.h"
#include "src/base/error.h"
#include "src/tensorfile/header.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

// LoRA and DoRA of linear layers out of one file.
class Reader {
 public:
  Reader(const AdapterSource& source, const LinearLayers& layers)
      : source_(source), layers_(layers), by_name_(layers.begin(), layers.end()) {}

  AdapterFile read(const std::vector<std::string>& modules, const std::optional<bool>& input_axis) {
    result_.path = source_.path();
    result_.metadata = source_.metadata();
    result_.format = layout_name(source_.layout());
    for (const std::string& module : modules) {
      const ModuleParts& parts = source_.parts().at(module);
      check_halves(module, parts);
      check_magnitude_presence(module, parts);
      modules_.push_back(module);
      if (!parts.magnitude()) continue;
      result_.spec.kind = "dora";
      result_.spec.norm_axis = input_axis.value_or(false) ? "input" : "output";
    }
    for (const std::string& module : modules) read_module(module, source_.parts().at(module));
    if (!modules.empty()) finish_spec();
    return std::move(result_);
  }

 private:
  static void check_halves(const std::string& module, const ModuleParts& parts) {
    const bool a = parts.has(AdapterRole::kA);
    const bool b = parts.has(AdapterRole::kB);
    const bool magnitude_alone = !a && !b && parts.magnitude();
    if (!a && !magnitude_alone) fail(module, ": A (lora_down) is missing");
    if (!b && !magnitude_alone) fail(module, ": B (lora_up) is missing");
  }

  // DoRA holds for a whole component, by its config and by its tensors alike.
  void check_magnitude_presence(const std::string& module, const ModuleParts& parts) {
    const std::string component = component_of(module);
    const bool has = parts.magnitude() != nullptr;
    const auto config = source_.configs().find(component);
    if (config != source_.configs().end() && config->second.use_dora != has) {
      fail(module, has ? " has DoRA magnitudes, but use_dora is false"
                       : ": use_dora is true, but its magnitudes are missing");
    }
    const auto [first, is_new] = magnitudes_in_.emplace(component, std::pair{module, has});
    if (!is_new && first->second.second != has) {
      fail(has ? first->second.first : module, " has no DoRA magnitudes, but ",
           has ? module : first->second.first, " has");
    }
  }

  // fp32, in the shape of a linear layer's factor: 1×1 convolutions lose their ones.
  at::Tensor matrix(const TensorEntry& entry) const {
    at::Tensor tensor = source_.numbers(entry);
    while (tensor.dim() > 2 && tensor.size(-1) == 1) tensor = tensor.squeeze(-1);
    return tensor;
  }

  void read_module(const std::string& module, const ModuleParts& parts) {
    const nn::Linear& layer = *by_name_.at(module);
    AdapterTensors& own = result_.modules[module];
    const TensorEntry* a = parts.find(AdapterRole::kA);
    const TensorEntry* b = parts.find(AdapterRole::kB);
    if (parts.magnitude()) own.m = source_.numbers(*parts.magnitude()).flatten();
    if (!a || (source_.header() && source_.header()->spec.trains_magnitude_only(module))) {
      leave_out_direction(module, layer, {a, b}, own);
      return;
    }
    own.a = matrix(*a);
    if (own.a.dim() != 2 || own.a.size(1) != layer.in_features() || own.a.size(0) < 1) {
      fail(quoted_name(a->name), ": want [rank,", layer.in_features(), "], got ",
           shape_text(a->shape));
    }
    const int64_t rank = own.a.size(0);
    own.b = matrix(*b);
    if (own.b.dim() != 2 || own.b.size(0) != layer.out_features() || own.b.size(1) != rank) {
      fail(quoted_name(b->name), ": want [", layer.out_features(), ",", rank, "], got ",
           shape_text(b->shape));
    }
    own.alpha = alpha_of(module, parts, rank);
    if (source_.header() && source_.header()->scale_in_b) {
      const double scale = update_scale(own, source_.header()->spec.use_rslora);
      own.b = (own.b.to(at::kDouble) / scale).to(at::kFloat);
    }
  }

  // A and B of a module whose magnitude alone is trained: absent, or zeros for other readers.
  void leave_out_direction(const std::string& module, const nn::Linear& layer,
                           const std::vector<const TensorEntry*>& halves, AdapterTensors& own) {
    for (const TensorEntry* entry : halves) {
      if (entry && source_.numbers(*entry).any().item<bool>()) {
        fail(quoted_name(entry->name), ": want zeros, since the header has ", module,
             " among the modules with a magnitude only");
      }
    }
    own.a = at::empty({0, layer.in_features()}, at::kFloat);
    own.b = at::empty({layer.out_features(), 0}, at::kFloat);
    if (!source_.header()) result_.spec.magnitude_only_modules.push_back(module);
  }

  // alpha by the header's specification, a tensor of its own, the config; else alpha = rank. With
  // rsLoRA in a part of the components only, alpha carries it: alpha·sqrt(rank)/rank is the same.
  double alpha_of(const std::string& module, const ModuleParts& parts, int64_t rank) const {
    const std::string path = path_in_component(module);
    if (source_.header()) {
      if (source_.header()->spec.rank_of(module) != rank) {
        fail(quoted_name(parts.find(AdapterRole::kA)->name), ": want rank ",
             source_.header()->spec.rank_of(module), " as the header states, got ", rank);
      }
      return source_.header()->spec.alpha_of(module);
    }
    const auto config = source_.configs().find(component_of(module));
    if (const TensorEntry* alpha = parts.find(AdapterRole::kAlpha)) {
      if (config != source_.configs().end()) {
        fail(quoted_name(alpha->name), ": alpha stands in the header too");
      }
      return source_.alpha(*alpha);
    }
    if (config == source_.configs().end()) return static_cast<double>(rank);
    if (config->second.rank_of(path) != static_cast<double>(rank)) {
      fail(quoted_name(parts.find(AdapterRole::kA)->name), ": want rank ",
           config->second.rank_of(path), " as the configuration states, got ", rank);
    }
    const double alpha = config->second.alpha_of(path);
    const bool alone = config->second.use_rslora && !rslora_everywhere();
    return alone ? alpha * std::sqrt(static_cast<double>(rank)) : alpha;
  }

  bool rslora_everywhere() const {
    return !modules_.empty() && std::ranges::all_of(modules_, [&](const std::string& module) {
      const auto config = source_.configs().find(component_of(module));
      return config != source_.configs().end() && config->second.use_rslora;
    });
  }

  void finish_spec() {
    const std::string kind = result_.spec.kind;
    const std::string axis = result_.spec.norm_axis;
    if (source_.header()) {
      if (source_.header()->spec.kind != kind ||
          (kind == "dora" && source_.header()->spec.norm_axis != axis)) {
        fail("the header states ", source_.header()->spec.kind, " (",
             source_.header()->spec.norm_axis, " axis), the tensors are ", kind, " (", axis,
             " axis)");
      }
      result_.spec = source_.header()->spec;
      return;
    }
    AdapterSpec& spec = result_.spec;
    if (!source_.configs().empty()) {
      const LoraConfig& config = source_.configs().begin()->second;
      spec.dropout = config.dropout;
      spec.init_lora_weights = config.gaussian_init ? "gaussian" : "kaiming";
      spec.use_rslora = rslora_everywhere();
    }
    spec = spec_with_scales(std::move(spec), result_.modules);
    spec.target_modules = targets_of(result_.modules, layers_);
  }

  const AdapterSource& source_;
  const LinearLayers& layers_;
  std::map<std::string, nn::Linear*> by_name_;
  std::vector<std::string> modules_;
  // By component: its first module, and whether that has magnitudes.
  std::map<std::string, std::pair<std::string, bool>> magnitudes_in_;
  AdapterFile result_;
};

}  // namespace

AdapterFile read_linear_adapters(const AdapterSource& source, const LinearLayers& layers,
                                 const std::vector<std::string>& modules,
                                 const std::optional<bool>& input_axis) {
  return Reader(source, layers).read(modules, input_axis);
}

std::optional<bool> input_axis_of(const AdapterSource& source, const ReadingOptions& options) {
  AxisDecision axis(options.dora_axis);
  bool any = false;
  for (const auto& [module, parts] : source.parts()) {
    const TensorEntry* magnitude = parts.magnitude();
    if (!magnitude) continue;
    any = true;
    const std::vector<int64_t>& shape = source.shape_of(module + ".weight");
    if (shape.size() < 2) fail(quoted_name(magnitude->name), ": a norm has no directions");
    axis.add(magnitude->name, parts.magnitude_role(),
             axis_evidence(magnitude->name, parts.magnitude_role(), magnitude->shape, shape[0],
                           shape[1]));
  }
  if (!any) return std::nullopt;
  return axis.is_input(source.metadata());
}

void refuse_foreign_rule(const std::map<std::string, std::string>& metadata,
                         const BaseWeights& base) {
  if (!has_comfyui_magnitudes(metadata) || base) return;
  fail("its magnitudes were written for one reader's rule (", metadata.at(kDoraScaleRuleKey),
       "), and what they stand for is known with the base's weights alone");
}

namespace {

ParameterShapes shapes_of(const LinearLayers& layers) {
  ParameterShapes shapes;
  for (const auto& [name, layer] : layers) {
    shapes[name + ".weight"] = {layer->out_features(), layer->in_features()};
  }
  return shapes;
}

// Every module of the file; throws where one is more than LoRA or DoRA of a linear layer.
std::vector<std::string> pairs_of(const AdapterSource& source) {
  std::vector<std::string> modules;
  for (const auto& [module, parts] : source.parts()) {
    const bool bias = parts.has(AdapterRole::kBiasDifference);
    if (bias || !parts.is_pair()) {
      fail(quoted_name(parts.all().rbegin()->second->name), " belongs to ",
           bias ? "a difference of a bias" : algebra_title(parts.algebra()),
           ", and LoRA or DoRA of linear layers alone is wanted here");
    }
    modules.push_back(module);
  }
  if (!source.embeddings().empty()) {
    fail("holds an embedding (", source.embeddings()[0]->name,
         "), and LoRA or DoRA of linear layers alone is wanted here");
  }
  return modules;
}

}  // namespace

AdapterFile read_adapter_file(const fs::path& path, const LinearLayers& layers,
                              const BaseWeights& base) {
  try {
    if (is_vera_folder(path)) return read_vera_folder(path, layers);
  } catch (const Error& error) {
    fail(path.string(), ": ", error.what());
  }
  const ParameterShapes shapes = shapes_of(layers);
  AdapterSource source(path, shapes, {});
  try {
    source.read();
    refuse_foreign_rule(source.metadata(), base);
    AdapterContents contents;
    contents.file =
        read_linear_adapters(source, layers, pairs_of(source), input_axis_of(source, {}));
    if (has_comfyui_magnitudes(source.metadata())) restore_magnitudes(contents, base);
    return std::move(contents.file);
  } catch (const Error& error) {
    fail(path.string(), ": ", error.what());
  }
}

AdapterSet load_adapter_set(const fs::path& path, const LinearLayers& layers,
                            const AdapterCore& core) {
  const AdapterFile file = read_adapter_file(path, layers);
  return AdapterSet::from_tensors(file.spec, layers, file.modules, core);
}

}  // namespace dorabooth
