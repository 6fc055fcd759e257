// Fields and their defaults: peft/tuners/lora/config.py; the metadata: diffusers' lora_base.py.
#include "src/adapter/lora_config.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "src/base/error.h"
#include "src/tensorfile/header.h"

namespace dorabooth {

namespace {

using Json = nlohmann::ordered_json;

// Neither forward nor scale depends on these; target_modules and their kin are what the tensors
// show.
const std::set<std::string>& bookkeeping_fields() {
  static const std::set<std::string> names = {
      "auto_mapping",        "exclude_modules", "inference_mode", "layers_pattern",
      "layers_to_transform", "megatron_core",   "peft_type",      "peft_version",
      "qalora_group_size",   "revision",        "target_modules", "task_type",
      "runtime_config"};
  return names;
}

std::string shown(const Json& value) {
  std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  constexpr size_t kShown = 60;
  return text.size() > kShown ? text.substr(0, kShown) + "..." : text;
}

bool is_neutral(const Json& value) {
  return value.is_null() || value == false || (value.is_structured() && value.empty());
}

bool get_bool(const Json& value, const std::string& where) {
  if (value.is_null()) return false;
  if (!value.is_boolean()) fail(where, ": want true or false, got ", shown(value));
  return value.get<bool>();
}

double get_positive(const Json& value, const std::string& where) {
  const double number = value.is_number() ? value.get<double>() : 0.0;
  if (!(number > 0) || !std::isfinite(number)) {
    fail(where, ": want a positive number, got ", shown(value));
  }
  return number;
}

double get_rank(const Json& value, const std::string& where) {
  const double rank = get_positive(value, where);
  if (rank != std::floor(rank) || rank > 1e6) fail(where, ": want a rank, got ", shown(value));
  return rank;
}

using GetNumber = double (*)(const Json&, const std::string&);

std::vector<std::pair<std::string, double>> get_pattern(const Json& value, const std::string& where,
                                                        GetNumber get_number) {
  std::vector<std::pair<std::string, double>> pattern;
  if (value.is_null()) return pattern;
  if (!value.is_object()) fail(where, ": want an object, got ", shown(value));
  for (const auto& [key, number] : value.items()) {
    std::string name = key;
    for (size_t at = 0; (at = name.find("\\.", at)) != std::string::npos; ++at) name.erase(at, 1);
    if (name.find_first_of("*+?[](){}|$\\^", name.starts_with('^') ? 1 : 0) != std::string::npos) {
      fail(where, ": ", quoted_name(key), " is a regular expression; only module names are read");
    }
    pattern.emplace_back(name, get_number(number, concat(where, ".", quoted_name(key))));
  }
  return pattern;
}

// PEFT's initialisations; those that change the base's weights leave an adapter that does not
// belong to the original base.
bool get_gaussian_init(const Json& value, const std::string& where) {
  if (value.is_boolean() || value.is_null()) return false;
  if (value == "gaussian") return true;
  if (value == "eva" || value == "orthogonal") return false;
  fail(where, ": ", shown(value), " changes the base's weights, so the file needs another base");
}

bool matches(const std::string& pattern, const std::string& path) {
  if (pattern.starts_with('^')) return path == pattern.substr(1);
  return path == pattern || path.ends_with("." + pattern);
}

// The text encoders' paths are stated with and without their outermost class.
double pattern_value(const std::vector<std::pair<std::string, double>>& pattern,
                     const std::string& path, double fallback) {
  constexpr std::string_view kHead = "text_model.";
  for (const auto& [key, value] : pattern) {
    if (matches(key, path)) return value;
    if (path.starts_with(kHead) && matches(key, path.substr(kHead.size()))) return value;
  }
  return fallback;
}

Json parse_object(const std::string& text, const std::string& where) {
  Json json;
  try {
    json = Json::parse(text);
  } catch (const Json::exception& error) {
    fail(where, ": not JSON (", error.what(), ")");
  }
  if (!json.is_object()) fail(where, ": want a JSON object, got ", shown(json));
  return json;
}

}  // namespace

double LoraConfig::rank_of(const std::string& path) const {
  return pattern_value(rank_pattern, path, static_cast<double>(rank));
}

double LoraConfig::alpha_of(const std::string& path) const {
  return pattern_value(alpha_pattern, path, alpha);
}

LoraConfig parse_lora_config(const Json& json, const std::string& where) {
  LoraConfig config;
  for (const auto& [key, value] : json.items()) {
    const std::string field = concat(where, ": ", quoted_name(key));
    if (key == "r") {
      config.rank = static_cast<int64_t>(get_rank(value, field));
    } else if (key == "lora_alpha") {
      config.alpha = get_positive(value, field);
    } else if (key == "lora_dropout") {
      config.dropout = value.is_number() ? value.get<double>() : -1.0;
      if (!(config.dropout >= 0) || config.dropout >= 1) {
        fail(field, ": want a probability below 1, got ", shown(value));
      }
    } else if (key == "use_rslora") {
      config.use_rslora = get_bool(value, field);
    } else if (key == "use_dora") {
      config.use_dora = get_bool(value, field);
    } else if (key == "rank_pattern") {
      config.rank_pattern = get_pattern(value, field, get_rank);
    } else if (key == "alpha_pattern") {
      config.alpha_pattern = get_pattern(value, field, get_positive);
    } else if (key == "init_lora_weights") {
      config.gaussian_init = get_gaussian_init(value, field);
    } else if (key == "base_model_name_or_path") {
      if (value.is_string()) config.base_model = value.get<std::string>();
    } else if (key == "bias") {
      if (value != "none") fail(field, ": trained biases (", shown(value), ") are not read");
    } else if (!bookkeeping_fields().contains(key) && !is_neutral(value)) {
      fail(field, ": ", shown(value), " cannot be honoured");
    }
  }
  return config;
}

LoraConfig parse_adapter_config(const std::string& text, const std::string& where) {
  const Json json = parse_object(text, where);
  const Json type = json.value("peft_type", Json());
  if (type != "LORA") fail(where, ": peft_type is ", shown(type), ", only \"LORA\" is read");
  return parse_lora_config(json, where);
}

std::map<std::string, LoraConfig> parse_adapter_metadata(const std::string& text,
                                                         const std::string& where) {
  const Json flat = parse_object(text, where);
  std::map<std::string, Json> by_component;
  for (const auto& [key, value] : flat.items()) {
    const std::string component = key.substr(0, key.find('.'));
    if (component.size() + 1 >= key.size() ||
        (component != "unet" && component != "text_encoder" && component != "text_encoder_2")) {
      fail(where, ": ", quoted_name(key), " is no field of unet, text_encoder or text_encoder_2");
    }
    by_component[component][key.substr(component.size() + 1)] = value;
  }
  std::map<std::string, LoraConfig> configs;
  for (const auto& [component, json] : by_component) {
    configs[component] = parse_lora_config(json, concat(where, ": ", component));
  }
  return configs;
}

}  // namespace dorabooth
