// PEFT's VeRA folders: adapter_config.json with peft_type VERA, and adapter_model.safetensors with
// vera_A and vera_B once and vera_lambda_d, vera_lambda_b a module. One folder holds one component.
#pragma once

#include "src/adapter/adapter_file.h"

namespace dorabooth {

// `path`: the folder, or adapter_model.safetensors in it.
bool is_vera_folder(const std::filesystem::path& path);
AdapterFile read_vera_folder(const std::filesystem::path& path, const LinearLayers& layers);

// A folder named after its component for each component of `modules`.
void write_vera_folders(const std::filesystem::path& path, const AdapterSpec& spec,
                        const std::map<std::string, AdapterTensors>& modules);

}  // namespace dorabooth
