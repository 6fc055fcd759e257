// Recognises what is not an SDXL base (refiner, inpainting, Stable Diffusion 1 to 3, Flux, an
// adapter) and refuses it by its name. Torch-free.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>

#include "src/tensorfile/safetensors.h"

namespace dorabooth {

// By the keys and shapes of a single file.
void refuse_foreign_file(const SafetensorsFile& file);

// By the pipeline class and the components of a diffusers folder.
void refuse_foreign_folder(const std::filesystem::path& folder, const nlohmann::json& model_index);

// By the numbers of a UNet's config.json.
void refuse_foreign_unet(const std::filesystem::path& path, const nlohmann::json& config);

// A path that is no base at all: absent, a pickle, an adapter's folder. Returns for anything that
// may be one.
void refuse_foreign_path(const std::filesystem::path& path);

}  // namespace dorabooth
