// Names: diffusers' lora_base.py, Stability AI's ModelSpec 1.0.0, kohya's ss_* as A1111 reads them.
#include "src/adapter/adapter_header.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "src/adapter/adapter_keys.h"
#include "src/base/error.h"

namespace dorabooth {

using nlohmann::json;

namespace {

constexpr const char* kTitleMiddle = " of rank ";  // of a title that this program made

}  // namespace

std::string peft_path(const std::string& module) {
  constexpr std::string_view kHead = "text_model.";
  const std::string path = path_in_component(module);
  return path.starts_with(kHead) ? path.substr(kHead.size()) : path;
}

std::string peft_key_path(const std::string& module) {
  return component_of(module) == "text_encoder" ? peft_path(module) : path_in_component(module);
}

json peft_targets(const AdapterSpec& spec, const std::vector<std::string>& modules) {
  std::set<std::string> endings;
  bool covered = true;
  for (const std::string& module : modules) {
    const auto match =
        std::find_if(spec.target_modules.begin(), spec.target_modules.end(),
                     [&](const std::string& pattern) { return module_matches(pattern, module); });
    covered = covered && match != spec.target_modules.end() &&
              match->find_first_of("*?") == std::string::npos && *match != module;
    if (covered) endings.insert(*match);
  }
  if (covered) return endings;
  json names = json::array();
  for (const std::string& module : modules) names.push_back(peft_path(module));
  return names;
}

std::string spec_entry_text(const SpecEntry& entry) {
  const json spec = adapter_spec_fields().to_json(&entry.spec);
  return json{{"scale_in_B", entry.scale_in_b}, {"spec", spec}}.dump();
}

std::optional<SpecEntry> find_spec(const std::map<std::string, std::string>& metadata) {
  const auto found = metadata.find(kSpecKey);
  if (found == metadata.end()) return std::nullopt;
  const json entry = json::parse(found->second, nullptr, /*allow_exceptions=*/false);
  const bool well_formed = entry.is_object() && entry.size() == 2 && entry.contains("spec") &&
                           entry.contains("scale_in_B") && entry["scale_in_B"].is_boolean() &&
                           entry["spec"].is_object();
  if (!well_formed) {
    fail("the header's entry '", kSpecKey,
         "' wants {\"scale_in_B\": true or false, \"spec\": {…}}");
  }
  SpecEntry result;
  result.scale_in_b = entry["scale_in_B"].get<bool>();
  try {
    adapter_spec_fields().from_json(&result.spec, entry["spec"], kSpecKey);
  } catch (const UsageError& error) {
    fail("the header's entry ", error.what());
  }
  return result;
}

std::string adapter_metadata_text(const AdapterSpec& spec,
                                  const std::map<std::string, PeftModule>& facts) {
  std::map<std::string, std::vector<std::string>> components;
  for (const auto& [module, own] : facts) components[component_of(module)].push_back(module);
  json flat = json::object();
  for (const auto& [component, modules] : components) {
    std::map<int64_t, size_t> counts;
    for (const std::string& module : modules) ++counts[facts.at(module).rank];
    const int64_t usual = std::max_element(counts.begin(), counts.end(), [](auto& a, auto& b) {
                            return a.second < b.second;
                          })->first;
    json pattern = json::object();
    for (const std::string& module : modules) {
      const int64_t rank = facts.at(module).rank;
      if (rank != usual) pattern[peft_path(module)] = rank;
    }
    const auto set = [&, &prefix = component](const char* field, const json& value) {
      flat[prefix + "." + field] = value;
    };
    set("alpha_pattern", pattern);
    set("bias", "none");
    set("init_lora_weights", spec.init_lora_weights == "gaussian" ? json("gaussian") : json(true));
    set("lora_alpha", usual);
    set("lora_dropout", spec.dropout);
    set("r", usual);
    set("rank_pattern", pattern);
    set("target_modules", peft_targets(spec, modules));
    set("use_dora", facts.at(modules.front()).has_magnitude);
    set("use_rslora", false);
  }
  return flat.dump(2);
}

std::map<std::string, std::string> metadata_of_origin(
    const std::map<std::string, std::string>& metadata) {
  std::map<std::string, std::string> kept;
  for (const auto& [key, value] : metadata) {
    const bool is_form =
        key.starts_with("ss_network_") || key.starts_with("sshs_") ||
        key == "modelspec.sai_model_spec" || key == "modelspec.architecture" ||
        key == "modelspec.implementation" || key == "modelspec.hash_sha256" ||
        (key == "modelspec.title" && value.find(kTitleMiddle) != std::string::npos);
    if (!is_form && (key.starts_with("ss_") || key.starts_with("modelspec."))) kept[key] = value;
  }
  return kept;
}

std::map<std::string, std::string> with_common_metadata(
    const AdapterSpec& spec, const std::map<std::string, std::string>& extra,
    const std::string& implementation) {
  for (const char* own : {"format", kAdapterMetadataKey, kSpecKey, kDoraScaleRuleKey}) {
    if (extra.contains(own)) fail("the header's entry '", own, "' cannot be set from outside");
  }
  std::map<std::string, std::string> metadata = extra;
  metadata.emplace("format", "pt");
  metadata.emplace("ss_base_model_version", "sdxl_base_v1-0");
  metadata.emplace("modelspec.sai_model_spec", "1.0.0");
  metadata.emplace("modelspec.architecture", "stable-diffusion-xl-v1-base/lora");
  metadata.emplace("modelspec.implementation", implementation);
  metadata.emplace("modelspec.title",
                   concat(spec.kind == "dora" ? "DoRA" : "LoRA", kTitleMiddle, spec.rank));
  return metadata;
}

}  // namespace dorabooth
