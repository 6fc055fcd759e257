// What a single file tells about its architecture: the levels and layers that its names count, and
// the configs that its shapes fill in. Torch-free.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>

#include "src/model/single_file_keys.h"
#include "src/tensorfile/safetensors.h"

namespace dorabooth {

KeyLayout layout_of_single_file(const SafetensorsFile& file);
// The same from unet/config.json and vae/config.json; `where` opens error messages.
KeyLayout layout_of_configs(const nlohmann::json& unet, const nlohmann::json& vae,
                            const std::string& where);

// `base` (SDXL base's config of the component) with the depths, channel counts and widths found in
// the file. Head counts, group counts and activations cannot be found there: a file whose widths
// are not the base's is an error that asks for its config files.
nlohmann::json config_of_single_file(const SafetensorsFile& file, Component component,
                                     const nlohmann::json& base);

}  // namespace dorabooth
