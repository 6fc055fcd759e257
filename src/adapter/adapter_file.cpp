// Reading: keys -> modules -> checked tensors -> scales -> specification.
#include "src/adapter/adapter_file.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "src/adapter/adapter_header.h"
#include "src/adapter/adapter_keys.h"
#include "src/adapter/lora_config.h"
#include "src/adapter/magnitude_axis.h"
#include "src/adapter/tensor_facts.h"
#include "src/adapter/vera_file.h"
#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/ops/tensor_bytes.h"
#include "src/tensorfile/header.h"
#include "src/tensorfile/safetensors.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

constexpr const char* kPeftConfig = "adapter_config.json";
constexpr const char* kPeftWeights = "adapter_model.safetensors";
constexpr const char* kDiffusersWeights = "pytorch_lora_weights.safetensors";

// What the file holds for one module.
struct Parts {
  const TensorEntry* a = nullptr;
  const TensorEntry* b = nullptr;
  const TensorEntry* alpha = nullptr;
  const TensorEntry* magnitude = nullptr;
  AdapterRole magnitude_role = AdapterRole::kMagnitudeVector;
};

using LayersByName = std::map<std::string, nn::Linear*>;

fs::path find_weights(const fs::path& path) {
  if (!fs::exists(path)) fail(path.string(), ": no such file or folder");
  if (fs::is_directory(path)) {
    for (const char* name : {kPeftWeights, kDiffusersWeights}) {
      if (fs::exists(path / name)) return path / name;
    }
    fail(path.string(), ": holds neither ", kPeftWeights, " nor ", kDiffusersWeights);
  }
  const std::string extension = path.extension().string();
  for (const char* pickled : {".bin", ".pt", ".pth", ".ckpt"}) {
    if (extension == pickled) {
      fail(path.string(), ": a pickle can run any program when it is read; convert it to ",
           "safetensors first");
    }
  }
  return path;
}

// One reading of one file.
class Reader {
 public:
  Reader(const fs::path& path, const LinearLayers& layers)
      : file_(find_weights(path)),
        layers_(layers),
        by_name_(layers.begin(), layers.end()),
        keys_(names_of(layers)) {}

  AdapterFile read() {
    result_.path = file_.path();
    result_.metadata = file_.metadata();
    find_layout();
    refuse_foreign_rule();
    read_configs();
    collect_parts();
    decide_axis();
    for (const auto& [module, parts] : parts_) read_module(module, parts);
    finish_spec();
    return std::move(result_);
  }

  StoredAdapter read_stored() {
    result_.metadata = file_.metadata();
    find_layout();
    read_configs();
    collect_parts();
    StoredAdapter stored{layout_, {}, result_.metadata, configs_};
    for (const auto& [module, parts] : parts_) {
      StoredModule& own = stored.modules[module];
      for (const TensorEntry* entry : {parts.a, parts.b, parts.magnitude}) {
        if (entry) own.key = entry->name;
      }
      if (parts.a) own.down = number_tensor(*parts.a);
      if (parts.b) own.up = number_tensor(*parts.b);
      if (parts.alpha) own.alpha = number_tensor(*parts.alpha).item<double>();
      if (parts.magnitude) own.magnitude = number_tensor(*parts.magnitude);
      own.magnitude_role = parts.magnitude_role;
    }
    return stored;
  }

 private:
  static std::vector<std::string> names_of(const LinearLayers& layers) {
    std::vector<std::string> names;
    for (const auto& [name, layer] : layers) names.push_back(name);
    return names;
  }

  void find_layout() {
    if (file_.entries().empty()) fail("holds no tensors");
    const std::string& first = file_.entries().front().name;
    layout_ = AdapterKeys::layout_of(first);
    for (const TensorEntry& entry : file_.entries()) {
      if (AdapterKeys::layout_of(entry.name) != layout_) {
        fail(quoted_name(first), " and ", quoted_name(entry.name), " belong to different layouts");
      }
    }
    result_.format = layout_name(layout_);
  }

  // Magnitudes that are right under one reader's rule alone are not m.
  void refuse_foreign_rule() const {
    const auto rule = result_.metadata.find(kDoraScaleRuleKey);
    if (rule == result_.metadata.end()) return;
    fail("its magnitudes were written for one reader's rule (", rule->second,
         ") and stand for nothing else: use the file that it was converted from");
  }

  void read_configs() {
    header_ = find_spec(result_.metadata);
    if (layout_ == AdapterLayout::kPeft) {
      const fs::path path = file_.path().parent_path() / kPeftConfig;
      if (!fs::exists(path)) fail("has PEFT's keys, but no ", kPeftConfig, " lies beside it");
      constexpr uintmax_t kLongest = 16 << 20;
      if (fs::file_size(path) > kLongest) {
        fail(kPeftConfig, ": larger than ", bytes_text(kLongest));
      }
      const LoraConfig config = parse_adapter_config(read_file(path), kPeftConfig);
      component_ = peft_component(config);
      configs_[component_] = config;
      return;
    }
    const auto found = result_.metadata.find(kAdapterMetadataKey);
    if (found != result_.metadata.end()) {
      configs_ = parse_adapter_metadata(found->second, kAdapterMetadataKey);
    }
  }

  // PEFT's keys name no component: it is the one that has all their modules in their shapes; where
  // both text encoders do, the config's base or the folder's name tells.
  std::string peft_component(const LoraConfig& config) const {
    std::vector<std::string> fitting;
    for (const std::string& component : keys_.components()) {
      if (fits(component)) fitting.push_back(component);
    }
    if (fitting.size() == 1) return fitting.front();
    if (fitting.empty()) return nearest_component();
    const std::string base = fs::path(config.base_model).filename().string();
    const std::string folder = fs::absolute(file_.path()).parent_path().filename().string();
    for (const std::string& component : fitting) {
      if (base == component || folder == component) return component;
    }
    const bool second = folder.find("te2") != std::string::npos ||
                        folder.find("text_encoder_2") != std::string::npos;
    const bool first = !second && (folder.find("te1") != std::string::npos ||
                                   folder.find("text_encoder") != std::string::npos);
    for (const std::string& component : fitting) {
      if ((second && component == "text_encoder_2") || (first && component == "text_encoder")) {
        return component;
      }
    }
    fail("fits ", fitting[0], " and ", fitting[1], "; name the folder after its component");
  }

  bool fits(const std::string& component) const {
    return std::all_of(
        file_.entries().begin(), file_.entries().end(), [&](const TensorEntry& entry) {
          const auto key = keys_.find(entry.name, component);
          if (!key) return false;
          const nn::Linear& layer = *by_name_.at(key->module);
          if (entry.shape.size() < 2) return true;
          if (key->role == AdapterRole::kA) return entry.shape[1] == layer.in_features();
          return key->role != AdapterRole::kB || entry.shape[0] == layer.out_features();
        });
  }

  // For the message about what does not fit: the component that knows most of the keys.
  std::string nearest_component() const {
    std::string best = keys_.components().empty() ? "" : keys_.components().front();
    std::ptrdiff_t best_count = 0;
    for (const std::string& component : keys_.components()) {
      const auto count = std::count_if(
          file_.entries().begin(), file_.entries().end(),
          [&](const TensorEntry& entry) { return keys_.find(entry.name, component).has_value(); });
      if (count > best_count) {
        best = component;
        best_count = count;
      }
    }
    return best;
  }

  void collect_parts() {
    for (const TensorEntry& entry : file_.entries()) {
      const AdapterKey key = keys_.parse(entry.name, component_);
      Parts& parts = parts_[key.module];
      const TensorEntry** place = &parts.a;
      if (key.role == AdapterRole::kB) place = &parts.b;
      if (key.role == AdapterRole::kAlpha) place = &parts.alpha;
      if (key.role == AdapterRole::kMagnitudeVector || key.role == AdapterRole::kDoraScale) {
        place = &parts.magnitude;
        parts.magnitude_role = key.role;
      }
      if (*place) {
        fail(quoted_name((*place)->name), " and ", quoted_name(entry.name), " are the same tensor");
      }
      *place = &entry;
    }
    for (const auto& [module, parts] : parts_) {
      const bool magnitude_alone = !parts.a && !parts.b && parts.magnitude;
      if (!parts.a && !magnitude_alone) fail(module, ": A (lora_down) is missing");
      if (!parts.b && !magnitude_alone) fail(module, ": B (lora_up) is missing");
      check_magnitude_presence(module, parts);
    }
  }

  // DoRA holds for a whole component, by its config and by its tensors alike.
  void check_magnitude_presence(const std::string& module, const Parts& parts) {
    const std::string component = component_of(module);
    const bool has = parts.magnitude != nullptr;
    const auto config = configs_.find(component);
    if (config != configs_.end() && config->second.use_dora != has) {
      fail(module, has ? " has DoRA magnitudes, but use_dora is false"
                       : ": use_dora is true, but its magnitudes are missing");
    }
    const auto [first, is_new] = magnitudes_in_.emplace(component, std::pair{module, has});
    if (!is_new && first->second.second != has) {
      fail(has ? first->second.first : module, " has no DoRA magnitudes, but ",
           has ? module : first->second.first, " has");
    }
  }

  void decide_axis() {
    AxisDecision axis;
    bool any = false;
    for (const auto& [module, parts] : parts_) {
      if (!parts.magnitude) continue;
      any = true;
      const nn::Linear& layer = *by_name_.at(module);
      const AxisEvidence evidence =
          axis_evidence(parts.magnitude->name, parts.magnitude_role, parts.magnitude->shape,
                        layer.out_features(), layer.in_features());
      axis.add(parts.magnitude->name, parts.magnitude_role, evidence);
    }
    if (!any) return;
    result_.spec.kind = "dora";
    result_.spec.norm_axis = axis.is_input(result_.metadata) ? "input" : "output";
  }

  // fp32, in the shape of a linear layer's factor: 1×1 convolutions lose their ones.
  at::Tensor matrix(const TensorEntry& entry) const {
    at::Tensor tensor = number_tensor(entry);
    while (tensor.dim() > 2 && tensor.size(-1) == 1) tensor = tensor.squeeze(-1);
    return tensor;
  }

  at::Tensor number_tensor(const TensorEntry& entry) const {
    const DType dtype = entry.dtype;
    if (dtype != DType::kF32 && dtype != DType::kF16 && dtype != DType::kBF16 &&
        dtype != DType::kF64) {
      fail(quoted_name(entry.name), ": want F32, F16, BF16 or F64, got ", dtype_name(dtype));
    }
    at::Tensor tensor = at::empty(entry.shape, scalar_type(dtype));
    // Not through the mapping, whose pages would count as memory beside the copy.
    file_.read(entry, 0, {static_cast<std::byte*>(tensor.data_ptr()), tensor.nbytes()});
    tensor = tensor.to(at::kFloat);
    if (!at::isfinite(tensor).all().item<bool>()) {
      fail(quoted_name(entry.name), ": holds values that are not finite");
    }
    return tensor;
  }

  void read_module(const std::string& module, const Parts& parts) {
    const nn::Linear& layer = *by_name_.at(module);
    AdapterTensors& own = result_.modules[module];
    if (parts.magnitude) own.m = number_tensor(*parts.magnitude).flatten();
    if (!parts.a || (header_ && header_->spec.trains_magnitude_only(module))) {
      leave_out_direction(module, layer, parts, own);
      return;
    }
    own.a = matrix(*parts.a);
    if (own.a.dim() != 2 || own.a.size(1) != layer.in_features() || own.a.size(0) < 1) {
      fail(quoted_name(parts.a->name), ": want [rank,", layer.in_features(), "], got ",
           shape_text(parts.a->shape));
    }
    const int64_t rank = own.a.size(0);
    own.b = matrix(*parts.b);
    if (own.b.dim() != 2 || own.b.size(0) != layer.out_features() || own.b.size(1) != rank) {
      fail(quoted_name(parts.b->name), ": want [", layer.out_features(), ",", rank, "], got ",
           shape_text(parts.b->shape));
    }
    own.alpha = alpha_of(module, parts, rank);
    if (header_ && header_->scale_in_b) {
      const double scale = update_scale(own, header_->spec.use_rslora);
      own.b = (own.b.to(at::kDouble) / scale).to(at::kFloat);
    }
  }

  // A and B of a module whose magnitude alone is trained: absent, or zeros for other readers.
  void leave_out_direction(const std::string& module, const nn::Linear& layer, const Parts& parts,
                           AdapterTensors& own) {
    for (const TensorEntry* entry : {parts.a, parts.b}) {
      if (entry && number_tensor(*entry).any().item<bool>()) {
        fail(quoted_name(entry->name), ": want zeros, since the header has ", module,
             " among the modules with a magnitude only");
      }
    }
    own.a = at::empty({0, layer.in_features()}, at::kFloat);
    own.b = at::empty({layer.out_features(), 0}, at::kFloat);
    if (!header_) result_.spec.magnitude_only_modules.push_back(module);
  }

  // alpha by the header's specification, a tensor of its own, the config; else alpha = rank. With
  // rsLoRA in a part of the components only, alpha carries it: alpha·sqrt(rank)/rank is the same.
  double alpha_of(const std::string& module, const Parts& parts, int64_t rank) const {
    const std::string path = path_in_component(module);
    if (header_) {
      if (header_->spec.rank_of(module) != rank) {
        fail(quoted_name(parts.a->name), ": want rank ", header_->spec.rank_of(module),
             " as the header states, got ", rank);
      }
      return header_->spec.alpha_of(module);
    }
    const auto config = configs_.find(component_of(module));
    if (parts.alpha) {
      if (config != configs_.end()) {
        fail(quoted_name(parts.alpha->name), ": alpha stands in the header too");
      }
      const at::Tensor value = number_tensor(*parts.alpha);
      const double alpha = value.numel() == 1 ? value.item<double>() : 0.0;
      if (!(alpha > 0)) {
        fail(quoted_name(parts.alpha->name), ": want one positive number, got ",
             value.numel() == 1 ? concat(alpha) : shape_text(parts.alpha->shape));
      }
      return alpha;
    }
    if (config == configs_.end()) return static_cast<double>(rank);
    if (config->second.rank_of(path) != static_cast<double>(rank)) {
      fail(quoted_name(parts.a->name), ": want rank ", config->second.rank_of(path),
           " as the configuration states, got ", rank);
    }
    const double alpha = config->second.alpha_of(path);
    const bool alone = config->second.use_rslora && !rslora_everywhere();
    return alone ? alpha * std::sqrt(static_cast<double>(rank)) : alpha;
  }

  bool rslora_everywhere() const {
    return !parts_.empty() && std::all_of(parts_.begin(), parts_.end(), [&](const auto& item) {
      const auto config = configs_.find(component_of(item.first));
      return config != configs_.end() && config->second.use_rslora;
    });
  }

  void finish_spec() {
    const std::string kind = result_.spec.kind;
    const std::string axis = result_.spec.norm_axis;
    if (header_) {
      if (header_->spec.kind != kind || (kind == "dora" && header_->spec.norm_axis != axis)) {
        fail("the header states ", header_->spec.kind, " (", header_->spec.norm_axis,
             " axis), the tensors are ", kind, " (", axis, " axis)");
      }
      result_.spec = header_->spec;
      return;
    }
    AdapterSpec& spec = result_.spec;
    if (!configs_.empty()) {
      const LoraConfig& config = configs_.begin()->second;
      spec.dropout = config.dropout;
      spec.init_lora_weights = config.gaussian_init ? "gaussian" : "kaiming";
      spec.use_rslora = rslora_everywhere();
    }
    spec = spec_with_scales(std::move(spec), result_.modules);
    spec.target_modules = targets_of(result_.modules, layers_);
  }

  SafetensorsFile file_;
  const LinearLayers& layers_;
  LayersByName by_name_;
  AdapterKeys keys_;
  AdapterLayout layout_ = AdapterLayout::kDiffusers;
  std::string component_;  // of PEFT's keys
  std::optional<SpecEntry> header_;
  std::map<std::string, LoraConfig> configs_;
  std::map<std::string, Parts> parts_;
  // By component: its first module, and whether that has magnitudes.
  std::map<std::string, std::pair<std::string, bool>> magnitudes_in_;
  AdapterFile result_;
};

}  // namespace

AdapterFile read_adapter_file(const fs::path& path, const LinearLayers& layers) {
  try {
    if (is_vera_folder(path)) return read_vera_folder(path, layers);
  } catch (const Error& error) {
    fail(path.string(), ": ", error.what());
  }
  Reader reader(path, layers);
  try {
    return reader.read();
  } catch (const Error& error) {
    fail(path.string(), ": ", error.what());
  }
}

StoredAdapter read_stored_adapter(const fs::path& path, const LinearLayers& layers) {
  Reader reader(path, layers);
  try {
    return reader.read_stored();
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
