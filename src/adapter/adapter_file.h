// Adapter files: read in every spelling (diffusers, PEFT folder, kohya with diffusers or SGM block
// names), written as diffusers' DreamBooth scripts write them, or with kohya's names, with full
// metadata.
//
// What is written is right for readers that know alpha and for those that do not: a diffusers file
// holds B' = (alpha/rank)·B and alpha = rank. Its `dorabooth` entry states the specification, by
// which reading gives B back: exactly where the scale is a power of two, else to the last bit of
// fp32. (Checkpoints keep the training state itself.) A kohya file holds B as it is beside
// `.alpha`.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "src/adapter/set.h"

namespace dorabooth {

// Contents of a file before it meets a base: modules by full name as in LinearLayers.
struct AdapterFile {
  std::filesystem::path path;  // of the tensors
  std::string format;          // "diffusers", "peft", "kohya"
  // As far as the file tells; kind "dora" where magnitudes are present; rank and alpha agree with
  // `modules`. target_modules select just the file's modules.
  AdapterSpec spec;
  std::map<std::string, AdapterTensors> modules;  // fp32 on the CPU
  std::map<std::string, std::string> metadata;    // of the safetensors header
};

// `path`: a .safetensors file, a PEFT folder (adapter_config.json + adapter_model.safetensors;
// LoRA, DoRA or VeRA), or an output folder that holds pytorch_lora_weights.safetensors. `layers`
// are all adaptable modules of the base (kohya's flattened names are decoded by them); an unknown
// key, a missing half of a pair, a wrong shape or a value that is not finite is an error that names
// it.
AdapterFile read_adapter_file(const std::filesystem::path& path, const LinearLayers& layers);

// Writes as diffusers' scripts do; `extra_metadata` (modelspec.*, trigger word, steps, …) is added.
// A DoRA with one magnitude per input feature is refused: diffusers has no spelling for it.
void write_diffusers_adapter(const std::filesystem::path& path, const AdapterSpec& spec,
                             const std::map<std::string, AdapterTensors>& modules,
                             const std::map<std::string, std::string>& extra_metadata);
void write_diffusers_adapter(const std::filesystem::path& path, const AdapterSet& set,
                             const std::map<std::string, std::string>& extra_metadata);

// Writes kohya's names (SGM block names, as its SDXL tools do), DoRA's m as dora_scale [out,1] or
// [1,in].
void write_kohya_adapter(const std::filesystem::path& path, const AdapterSpec& spec,
                         const std::map<std::string, AdapterTensors>& modules,
                         const std::map<std::string, std::string>& extra_metadata);

// In the first of the two formats that can hold the adapter: diffusers', or kohya's for a DoRA with
// one magnitude per input feature. VeRA and DVoRA are written as the LoRA and DoRA that they equal,
// which every tool reads; a VeRA also as PEFT's folders "peft/<component>" beside the file.
void write_adapter_file(const std::filesystem::path& path, const AdapterSpec& spec,
                        const std::map<std::string, AdapterTensors>& modules,
                        const std::map<std::string, std::string>& extra_metadata);

// read_adapter_file + AdapterSet::from_tensors.
AdapterSet load_adapter_set(const std::filesystem::path& path, const LinearLayers& layers,
                            const AdapterCore& core);

}  // namespace dorabooth
