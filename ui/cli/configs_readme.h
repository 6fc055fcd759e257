// The text of configs/README.md: every setting of every command, from the field lists.
#pragma once

#include <filesystem>
#include <string>

namespace dorabooth {

// `configs`: the folder with the presets, which stand first.
std::string configs_readme(const std::filesystem::path& configs);

}  // namespace dorabooth
