// The presets of configs/ for the generated page: what each is for, its settings side by side, and
// why they have these values.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace dorabooth {

// A file of configs/: settings of `train`, and what is said of it. "_comment" says what it is for;
// "_memory_gb" is an estimate of the device memory that it takes, absent where it does not matter.
struct Preset {
  std::string name;  // "style_sdxl_12gb"
  std::string comment;
  double memory_gb = 0.0;  // 0: absent
  nlohmann::json settings;
};

// In the order of their names; throws if one has no comment or a key that is not known.
std::vector<Preset> read_presets(const std::filesystem::path& configs);

// The settings that say how a preset trains, and not on what: all but paths and prompts that differ
// from the defaults, in the field list's order.
std::vector<std::string> preset_settings(const std::vector<Preset>& presets);

// Why presets give a setting the values they do; "" for one that none gives.
std::string preset_reason(const std::string& setting);
const std::vector<std::pair<std::string, std::string>>& preset_reasons();

std::string presets_markdown(const std::vector<Preset>& presets);

}  // namespace dorabooth
