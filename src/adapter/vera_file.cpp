// Keys and fields: peft/tuners/vera and peft/utils/save_and_load.py.
#include "src/adapter/vera_file.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "src/adapter/adapter_header.h"
#include "src/adapter/adapter_keys.h"
#include "src/adapter/tensor_facts.h"
#include "src/adapter/tensor_output.h"
#include "src/adapter/vera.h"
#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/ops/tensor_bytes.h"
#include "src/tensorfile/header.h"
#include "src/tensorfile/safetensors.h"

namespace dorabooth {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr const char* kConfig = "adapter_config.json";
constexpr const char* kWeights = "adapter_model.safetensors";
constexpr const char* kSharedA = "base_model.vera_A";
constexpr const char* kSharedB = "base_model.vera_B";
constexpr const char* kModulePrefix = "base_model.model.";
constexpr const char* kLambdaD = ".vera_lambda_d";
constexpr const char* kLambdaB = ".vera_lambda_b";

fs::path folder_of(const fs::path& path) {
  return path.filename() == kWeights ? path.parent_path() : path;
}

json read_config(const fs::path& folder) {
  constexpr uintmax_t kLongest = 16 << 20;
  const fs::path path = folder / kConfig;
  if (fs::file_size(path) > kLongest) fail(kConfig, ": larger than ", bytes_text(kLongest));
  return json::parse(read_file(path), nullptr, /*allow_exceptions=*/false);
}

class VeraReader {
 public:
  VeraReader(const fs::path& folder, const LinearLayers& layers)
      : folder_(folder),
        file_(folder / kWeights),
        layers_(layers),
        by_name_(layers.begin(), layers.end()),
        keys_(names_of(layers)) {}

  AdapterFile read() {
    result_.path = file_.path();
    result_.format = "peft";
    result_.metadata = file_.metadata();
    result_.spec.kind = "vera";
    read_fields();
    for (const TensorEntry& entry : file_.entries()) read_entry(entry);
    finish_modules();
    result_.spec.target_modules = targets_of(result_.modules, layers_);
    return std::move(result_);
  }

 private:
  static std::vector<std::string> names_of(const LinearLayers& layers) {
    std::vector<std::string> names;
    for (const auto& [name, layer] : layers) names.push_back(name);
    return names;
  }

  void read_fields() {
    const json config = read_config(folder_);
    const auto field = [&](const char* name, json fallback) {
      return config.contains(name) && !config[name].is_null() ? config[name] : fallback;
    };
    const json rank = field("r", 256);
    const json key = field("projection_prng_key", 0);
    const json dropout = field("vera_dropout", 0.0);
    if (!rank.is_number_integer() || rank.get<int64_t>() < 1 || rank.get<int64_t>() > 1000000) {
      fail(kConfig, ": r: want a rank, got ", rank.dump());
    }
    if (!key.is_number_integer()) fail(kConfig, ": projection_prng_key: got ", key.dump());
    if (!dropout.is_number()) fail(kConfig, ": vera_dropout: got ", dropout.dump());
    if (field("bias", "none") != "none") fail(kConfig, ": bias: biases are not read");
    if (field("fan_in_fan_out", false) != false) fail(kConfig, ": fan_in_fan_out is not read");
    if (!field("modules_to_save", json::array()).empty()) {
      fail(kConfig, ": modules_to_save: whole modules are not read");
    }
    result_.spec.rank = rank.get<int64_t>();
    result_.spec.projection_prng_key = key.get<int64_t>();
    result_.spec.dropout = dropout.get<double>();
    component_ = find_component();
  }

  // The module of a key, whose grammar is LoRA's but for the ending.
  std::optional<AdapterKey> module_of(const std::string& key, const std::string& component) const {
    const size_t ending = std::string(kLambdaD).size();
    if (!key.ends_with(kLambdaD) && !key.ends_with(kLambdaB)) return std::nullopt;
    return keys_.find(key.substr(0, key.size() - ending) + ".lora_A.weight", component);
  }

  bool fits(const std::string& component) const {
    return std::all_of(
        file_.entries().begin(), file_.entries().end(), [&](const TensorEntry& entry) {
          if (entry.name == kSharedA || entry.name == kSharedB) return true;
          const auto key = module_of(entry.name, component);
          if (!key) return false;
          return !entry.name.ends_with(kLambdaB) ||
                 entry.shape == std::vector<int64_t>{by_name_.at(key->module)->out_features()};
        });
  }

  std::string find_component() const {
    std::vector<std::string> fitting;
    for (const std::string& component : keys_.components()) {
      if (fits(component)) fitting.push_back(component);
    }
    if (fitting.size() == 1) return fitting[0];
    const std::string folder = fs::absolute(file_.path()).parent_path().filename().string();
    if (std::count(fitting.begin(), fitting.end(), folder) == 1) return folder;
    if (!fitting.empty()) fail("fits several components; name the folder after its component");
    for (const TensorEntry& entry : file_.entries()) {
      if (entry.name == kSharedA || entry.name == kSharedB) continue;
      bool known = false;
      for (const std::string& component : keys_.components()) {
        known = known || module_of(entry.name, component).has_value();
      }
      if (!known) fail(quoted_name(entry.name), " is no VeRA key of this base");
    }
    fail("fits no component of this base");
  }

  at::Tensor numbers(const TensorEntry& entry) const {
    if (entry.dtype != DType::kF32 && entry.dtype != DType::kF16 && entry.dtype != DType::kBF16) {
      fail(quoted_name(entry.name), ": want F32, F16 or BF16, got ", dtype_name(entry.dtype));
    }
    const at::Tensor tensor =
        tensor_from_bytes(entry.dtype, entry.shape, file_.data(entry)).to(at::kFloat);
    if (!at::isfinite(tensor).all().item<bool>()) {
      fail(quoted_name(entry.name), ": holds values that are not finite");
    }
    return tensor;
  }

  void read_entry(const TensorEntry& entry) {
    if (entry.name == kSharedA) {
      shared_.a = numbers(entry).clone();
    } else if (entry.name == kSharedB) {
      shared_.b = numbers(entry).clone();
    } else {
      const AdapterKey key = *module_of(entry.name, component_);
      AdapterTensors& own = result_.modules[key.module];
      const bool is_d = entry.name.ends_with(kLambdaD);
      (is_d ? own.vera_d : own.vera_b) = numbers(entry).clone();
      const int64_t size = is_d ? result_.spec.rank : by_name_.at(key.module)->out_features();
      if (entry.shape != std::vector<int64_t>{size}) {
        fail(quoted_name(entry.name), ": want [", size, "], got ", shape_text(entry.shape));
      }
    }
  }

  // A file without projections has them from its key (save_projection = false).
  void finish_modules() {
    if (result_.modules.empty()) fail("holds no vera_lambda vectors");
    const int64_t rank = result_.spec.rank;
    int64_t in = 0;
    int64_t out = 0;
    for (const auto& [module, own] : result_.modules) {
      if (!own.vera_d.defined()) fail(module, ": vera_lambda_d is missing");
      if (!own.vera_b.defined()) fail(module, ": vera_lambda_b is missing");
      in = std::max(in, by_name_.at(module)->in_features());
      out = std::max(out, by_name_.at(module)->out_features());
    }
    if (!shared_.a.defined() && !shared_.b.defined()) {
      shared_ = draw_vera_projections(rank, in, out, result_.spec.projection_prng_key);
    }
    const bool fits_all = shared_.a.defined() && shared_.b.defined() && shared_.a.dim() == 2 &&
                          shared_.b.dim() == 2 && shared_.a.size(0) == rank &&
                          shared_.b.size(1) == rank && shared_.a.size(1) >= in &&
                          shared_.b.size(0) >= out;
    if (!fits_all) {
      fail(kSharedA, " and ", kSharedB, ": want [", rank, ",", in, "] and [", out, ",", rank,
           "] or larger");
    }
    for (auto& [module, own] : result_.modules) {
      own.a = shared_.a.slice(1, 0, by_name_.at(module)->in_features());
      own.b = shared_.b.slice(0, 0, by_name_.at(module)->out_features());
      own.alpha = static_cast<double>(rank);
    }
  }

  fs::path folder_;
  SafetensorsFile file_;
  const LinearLayers& layers_;
  std::map<std::string, nn::Linear*> by_name_;
  AdapterKeys keys_;
  std::string component_;
  VeraProjections shared_;
  AdapterFile result_;
};

json config_of(const AdapterSpec& spec, const std::vector<std::string>& targets) {
  return {{"auto_mapping", nullptr},
          {"base_model_name_or_path", nullptr},
          {"bias", "none"},
          {"d_initial", spec.d_initial},
          {"fan_in_fan_out", false},
          {"inference_mode", true},
          {"init_weights", true},
          {"layers_pattern", nullptr},
          {"layers_to_transform", nullptr},
          {"modules_to_save", nullptr},
          {"peft_type", "VERA"},
          {"projection_prng_key", spec.projection_prng_key},
          {"r", spec.rank},
          {"revision", nullptr},
          {"save_projection", true},
          {"target_modules", targets},
          {"task_type", nullptr},
          {"vera_dropout", spec.dropout}};
}

void write_folder(const fs::path& folder, const AdapterSpec& spec,
                  const std::map<std::string, AdapterTensors>& modules) {
  std::map<std::string, at::Tensor> tensors;
  std::vector<std::string> targets;
  const auto keep_wider = [&](const char* name, const at::Tensor& tensor, int64_t axis) {
    at::Tensor& kept = tensors[name];
    if (!kept.defined() || kept.size(axis) < tensor.size(axis)) kept = tensor;
  };
  for (const auto& [module, own] : modules) {
    targets.push_back(peft_key_path(module));
    const std::string stem = kModulePrefix + targets.back();
    tensors[stem + kLambdaD] = own.vera_d;
    tensors[stem + kLambdaB] = own.vera_b;
    keep_wider(kSharedA, own.a, 1);
    keep_wider(kSharedB, own.b, 0);
  }
  for (auto& [name, tensor] : tensors) tensor = checked_numbers(name, tensor);
  fs::create_directories(folder);
  write_adapter_tensors(folder / kWeights, tensors, {{"format", "pt"}});
  write_file_atomically(folder / kConfig, config_of(spec, targets).dump(2) + "\n");
}

}  // namespace

bool is_vera_folder(const fs::path& path) {
  const fs::path folder = folder_of(path);
  if (!fs::exists(folder / kConfig) || !fs::exists(folder / kWeights)) return false;
  const json config = read_config(folder);
  return config.is_object() && config.value("peft_type", json()) == "VERA";
}

AdapterFile read_vera_folder(const fs::path& path, const LinearLayers& layers) {
  return VeraReader(folder_of(path), layers).read();
}

void write_vera_folders(const fs::path& path, const AdapterSpec& spec,
                        const std::map<std::string, AdapterTensors>& modules) {
  std::map<std::string, std::map<std::string, AdapterTensors>> components;
  for (const auto& item : modules) components[component_of(item.first)].insert(item);
  for (const auto& [component, own] : components) write_folder(path / component, spec, own);
}

}  // namespace dorabooth
