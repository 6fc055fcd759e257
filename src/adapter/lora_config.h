// PEFT's LoraConfig as files state it: adapter_config.json of a PEFT folder, and the entries of
// `lora_adapter_metadata` in a diffusers file. A field that would change the computation in a way
// that is not computed here is refused by name. Torch-free.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

namespace dorabooth {

struct LoraConfig {
  // PEFT's defaults, which hold where a config leaves a field out.
  int64_t rank = 8;
  double alpha = 8.0;
  double dropout = 0.0;
  bool use_rslora = false;
  bool use_dora = false;
  bool gaussian_init = false;
  std::string base_model;  // base_model_name_or_path
  // Module path, or its end after a dot; a leading "^" anchors it. The first that matches wins.
  std::vector<std::pair<std::string, double>> rank_pattern;
  std::vector<std::pair<std::string, double>> alpha_pattern;

  // `path` is the module's path inside its component.
  double rank_of(const std::string& path) const;
  double alpha_of(const std::string& path) const;
};

// `where` opens the messages ("DIR/adapter_config.json").
LoraConfig parse_lora_config(const nlohmann::ordered_json& json, const std::string& where);

// The text of a whole adapter_config.json.
LoraConfig parse_adapter_config(const std::string& text, const std::string& where);

// The flat JSON {"unet.r": 4, …} by component; a component other than these three is refused.
std::map<std::string, LoraConfig> parse_adapter_metadata(const std::string& text,
                                                         const std::string& where);

}  // namespace dorabooth
