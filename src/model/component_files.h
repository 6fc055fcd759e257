// The weight files of one component folder of a diffusers base: single, variant, sharded, sharded
// variant and its older spelling. Torch-free.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "src/model/component.h"
#include "src/tensorfile/safetensors.h"

namespace dorabooth {

// Whether the folder has weights of this variant ("" = the plain ones).
bool has_component_files(const std::filesystem::path& folder, Component component,
                         const std::string& variant);

// Opens the files of `variant`, or the plain ones where the folder lacks it. Errors say what is
// there instead: pickles, which are never loaded, or other variants.
std::vector<std::shared_ptr<const SafetensorsFile>> open_component_files(
    const std::filesystem::path& folder, Component component, const std::string& variant);

}  // namespace dorabooth
