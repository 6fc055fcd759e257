// Fields and keys: peft/tuners/lora/config.py and peft/utils/save_and_load.py.
#include <ATen/ATen.h>

#include <nlohmann/json.hpp>

#include "src/adapter/adapter_file.h"
#include "src/adapter/adapter_header.h"
#include "src/adapter/adapter_keys.h"
#include "src/adapter/convolution_pairs.h"
#include "src/adapter/tensor_facts.h"
#include "src/adapter/tensor_output.h"
#include "src/base/atomic_file.h"
#include "src/base/error.h"

namespace dorabooth {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

using Modules = std::map<std::string, AdapterTensors>;

// PEFT takes the first pattern that a module's name ends with: whole names are told apart by it.
json pattern_of(const Modules& modules, double usual, double (*value)(const AdapterTensors&)) {
  json pattern = json::object();
  for (const auto& [module, own] : modules) {
    if (value(own) != usual) pattern[peft_path(module)] = value(own);
  }
  return pattern;
}

json rank_pattern(const Modules& modules, int64_t usual) {
  json pattern = json::object();
  for (const auto& [module, own] : modules) {
    if (own.a.size(0) != usual) pattern[peft_path(module)] = own.a.size(0);
  }
  return pattern;
}

// Of one component, whose specification is `spec`.
json config_of(const AdapterSpec& spec, const Modules& modules) {
  std::vector<std::string> names;
  for (const auto& [module, own] : modules) names.push_back(module);
  const double alpha = spec.alpha.value_or(static_cast<double>(spec.rank));
  return {
      {"alpha_pattern",
       pattern_of(modules, alpha, [](const AdapterTensors& own) { return own.alpha; })},
      {"auto_mapping", nullptr},
      {"base_model_name_or_path", nullptr},
      {"bias", "none"},
      {"fan_in_fan_out", false},
      {"inference_mode", true},
      {"init_lora_weights", spec.init_lora_weights == "gaussian" ? json("gaussian") : json(true)},
      {"layers_pattern", nullptr},
      {"layers_to_transform", nullptr},
      {"lora_alpha", alpha},
      {"lora_bias", false},
      {"lora_dropout", spec.dropout},
      {"modules_to_save", nullptr},
      {"peft_type", "LORA"},
      {"r", spec.rank},
      {"rank_pattern", rank_pattern(modules, spec.rank)},
      {"revision", nullptr},
      {"target_modules", peft_targets(spec, names)},
      {"task_type", nullptr},
      {"use_dora", modules.begin()->second.m.defined()},
      {"use_rslora", spec.use_rslora}};
}

void write_folder(const fs::path& folder, const AdapterSpec& given, const Modules& own) {
  const AdapterSpec spec = spec_with_scales(given, own);
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [module, parts] : own) {
    const std::string stem = "base_model.model." + peft_key_path(module);
    tensors[stem + ".lora_A.weight"] = checked_numbers(module + ".A", parts.a);
    tensors[stem + ".lora_B.weight"] = checked_numbers(module + ".B", parts.b);
    if (parts.m.defined()) {
      tensors[stem + ".lora_magnitude_vector"] = peft_magnitude(module, parts);
    }
  }
  fs::create_directories(folder);
  write_adapter_tensors(folder / "adapter_model.safetensors", tensors, {{"format", "pt"}});
  write_file_atomically(folder / "adapter_config.json", config_of(spec, own).dump(2) + "\n");
}

}  // namespace

void write_peft_folders(const fs::path& path, const AdapterSpec& spec, const Modules& modules) {
  if (modules.empty()) fail(path.string(), ": there are no adapters to write");
  if (spec.kind == "dora" && spec.norm_axis != "output") {
    fail(path.string(), ": PEFT reads one magnitude per output feature, this DoRA has one per ",
         "input feature; kohya's format holds it");
  }
  require_whole_components(modules);
  std::map<std::string, Modules> components;
  for (const auto& [module, own] : modules) {
    components[component_of(module)][module] = with_directions(own);
  }
  for (const auto& [component, own] : components) write_folder(path / component, spec, own);
}

}  // namespace dorabooth
