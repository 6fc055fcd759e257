// The grammar of each component, without its prefix; composed by single_file_keys.cpp.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/model/single_file_keys.h"

namespace dorabooth {

std::optional<std::string> unet_to_single(std::string_view name, const KeyLayout& layout);
std::optional<std::string> unet_to_diffusers(std::string_view name, const KeyLayout& layout);

std::optional<SingleFileKey> vae_to_single(std::string_view name, const KeyLayout& layout);
std::optional<SingleFileKey> vae_to_diffusers(std::string_view name, const KeyLayout& layout);

std::optional<SingleFileKey> open_clip_to_single(std::string_view name);
std::vector<SingleFileKey> open_clip_to_diffusers(std::string_view name);

}  // namespace dorabooth
