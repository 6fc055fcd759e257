// What other programs compute from an adapter file: which modules each of them reads, and the
// weight that it arrives at, by its own formula on the tensors as they stand in the file. The facts
// are those of the programs' sources as of 2025 and 2026:
//   diffusers loaders/lora_pipeline.py, PEFT tuners/lora, ComfyUI comfy/weight_adapter and
//   comfy/lora.py (the same in Forge's backend/patcher/lora.py), A1111
//   extensions-builtin/Lora/network.py, InvokeAI backend/patches/layers/dora_layer.py, SD.Next
//   modules/lora/network.py, LyCORIS modules/locon.py, loha.py, lokr.py, kohya
//   networks/sdxl_merge_lora.py, stable-diffusion.cpp model/adapter/lora.hpp.
// What none of these says is not guessed.
#pragma once

#include <string>
#include <vector>

#include "src/adapter/stored_adapter.h"

namespace dorabooth {

enum class Consumer {
  kDiffusers,
  kPeft,
  kComfyUi,  // Forge's backend computes the same
  kA1111,
  kInvokeAi,
  kSdNext,
  kLycoris,     // its merge
  kKohyaMerge,  // sdxl_merge_lora.py
  kStableDiffusionCpp
};

const std::vector<Consumer>& all_consumers();
const char* consumer_title(Consumer consumer);
// The strength rule it follows, as a file's reader meets it: "peft" (W0 + s·ΔW inside direction and
// norm), "lerp" (between W0 and the merged weight), "lycoris" (its own); the same for all with a
// plain LoRA.
const char* consumer_strength_rule(Consumer consumer);

// Why the consumer does not apply a module of this file; "" where it does, or where it is not
// known.
std::string unread_reason(Consumer consumer, const StoredAdapter& file, const StoredModule& module);

// Of a module that the consumer may read, to a parameter of `axes` axes (2: a matrix, 4: a
// convolution): what it is whose formula is not known here ("LoHa"); "" where it is known.
std::string unknown_kind(Consumer consumer, const StoredAdapter& file, const StoredModule& module,
                         int64_t axes);

// W as the consumer has it after applying a module that it reads to `weight` (fp32, in the base's
// shape) at `strength`. Throws where it would fail, with its reason.
at::Tensor consumer_weight(Consumer consumer, const StoredAdapter& file,
                           const std::string& module_name, const StoredModule& module,
                           const at::Tensor& weight, double strength);

}  // namespace dorabooth
