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
#include <functional>
#include <map>
#include <string>

#include "src/adapter/set.h"

namespace dorabooth {

// W of a module of the base ("unet.….to_q"), fp32 on the CPU.
using BaseWeights = std::function<at::Tensor(const std::string& module)>;

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
// it. A file whose magnitudes were written for ComfyUI's rule needs `base` and is refused without.
AdapterFile read_adapter_file(const std::filesystem::path& path, const LinearLayers& layers,
                              const BaseWeights& base = nullptr);

// Writes as diffusers' scripts do; `extra_metadata` (modelspec.*, trigger word, steps, …) is added.
// A DoRA with one magnitude per input feature is refused: diffusers has no spelling for it.
void write_diffusers_adapter(const std::filesystem::path& path, const AdapterSpec& spec,
                             const std::map<std::string, AdapterTensors>& modules,
                             const std::map<std::string, std::string>& extra_metadata);
void write_diffusers_adapter(const std::filesystem::path& path, const AdapterSet& set,
                             const std::map<std::string, std::string>& extra_metadata);

// Kohya's names with the original block names, as its SDXL tools write, or diffusers'.
enum class BlockNames { kSgm, kDiffusers };

// Writes kohya's names, DoRA's m as dora_scale [out,1] or [1,in].
void write_kohya_adapter(const std::filesystem::path& path, const AdapterSpec& spec,
                         const std::map<std::string, AdapterTensors>& modules,
                         const std::map<std::string, std::string>& extra_metadata,
                         BlockNames names = BlockNames::kSgm);

// Kohya's names for ComfyUI, which divides a magnitude per output feature by the norm of W instead
// of that of W + s·B·A: dora_scale is m·(‖W‖ + eps)/‖W + s·B·A‖ by rows, where `norms` has the two
// norms of every module ([out] each). Right for this base and that rule alone, which the header
// states; no other reader may take it for m, and this program reads it with the base's weights. A
// DoRA with one magnitude per input feature, and a LoRA, are written as write_kohya_adapter() does.
struct RowNorms {
  at::Tensor base;    // ‖W‖
  at::Tensor merged;  // ‖W + s·B·A‖
};
void write_comfyui_adapter(const std::filesystem::path& path, const AdapterSpec& spec,
                           const std::map<std::string, AdapterTensors>& modules,
                           const std::map<std::string, RowNorms>& norms,
                           const std::map<std::string, std::string>& extra_metadata);

// Writes PEFT's folders "<component>": adapter_config.json and adapter_model.safetensors; B as it
// is, alpha in the config. A DoRA with one magnitude per input feature is refused.
void write_peft_folders(const std::filesystem::path& path, const AdapterSpec& spec,
                        const std::map<std::string, AdapterTensors>& modules);

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
