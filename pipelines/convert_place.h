// Where an adapter that is written for another reader goes, unless told otherwise.
#pragma once

#include <string>

namespace dorabooth {

// Whether `to` (of ConvertRequest) is a folder instead of a file.
bool writes_folder(const std::string& to);

// Beside the adapter: "dora/pytorch_lora_weights.safetensors" becomes
// "dora/dora_comfyui.safetensors", for peft the folder "dora/dora_peft"; "" for no adapter.
std::string place_beside(const std::string& adapter_path, const std::string& to);

}  // namespace dorabooth
