// Adapter files: read in every spelling (diffusers, PEFT folder, kohya with diffusers or SGM block
// names), written as diffusers' DreamBooth scripts write them, with full metadata.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "src/adapter/set.h"

namespace dorabooth {

// Contents of a file before it meets a base: modules by full name as in LinearLayers.
struct AdapterFile {
  std::filesystem::path path;
  std::string format;  // "diffusers", "peft", "kohya"
  AdapterSpec spec;    // as far as the file tells; kind "dora" where magnitudes are present
  std::map<std::string, AdapterTensors> modules;
  std::map<std::string, std::string> metadata;
};

// `path`: a .safetensors file, a PEFT folder (adapter_config.json + adapter_model.safetensors), or
// an output folder that holds pytorch_lora_weights.safetensors. `module_names` are all adaptable
// modules of the base (kohya's flattened names are decoded by this table); an unknown key, a
// missing half of a pair or a wrong shape is an error that names it.
AdapterFile read_adapter_file(const std::filesystem::path& path, const LinearLayers& layers);

// Writes `set` as diffusers' scripts do; `extra_metadata` (trigger word, base, steps, …) is added.
void write_diffusers_adapter(const std::filesystem::path& path, const AdapterSet& set,
                             const std::map<std::string, std::string>& extra_metadata);

// read_adapter_file + AdapterSet::from_tensors.
AdapterSet load_adapter_set(const std::filesystem::path& path, const LinearLayers& layers,
                            const AdapterCore& core);

}  // namespace dorabooth
