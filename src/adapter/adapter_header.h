// The metadata of an adapter file's header: `lora_adapter_metadata` as diffusers reads it, our own
// `dorabooth` entry with the whole specification, and what other tools look for. Torch-free.
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "src/adapter/spec.h"

namespace dorabooth {

inline constexpr const char* kAdapterMetadataKey = "lora_adapter_metadata";
inline constexpr const char* kSpecKey = "dorabooth";
// Where dora_scale is not m: the rule by which one reader's result is right.
inline constexpr const char* kDoraScaleRuleKey = "dorabooth_dora_scale";

// The `dorabooth` entry: {"scale_in_B": bool, "spec": {…}}.
struct SpecEntry {
  AdapterSpec spec;
  bool scale_in_b = false;  // B holds alpha/rank (or alpha/sqrt(rank)) times the adapter's B
};

std::string spec_entry_text(const SpecEntry& entry);
// Nothing where the header has no such entry; throws where it is malformed.
std::optional<SpecEntry> find_spec(const std::map<std::string, std::string>& metadata);

// A module's name for PEFT: its path inside its component, without the text encoder's outermost
// class. (Some versions of transformers have that, some do not, and PEFT matches the end of a
// name.)
std::string peft_path(const std::string& module);

// The path in PEFT's keys: transformers has the first text encoder without that class, the second
// with it.
std::string peft_key_path(const std::string& module);

// PEFT's target_modules: the specification's own name endings where it has nothing else and they
// cover every module, else the modules' names.
nlohmann::json peft_targets(const AdapterSpec& spec, const std::vector<std::string>& modules);

struct PeftModule {
  int64_t rank = 0;
  bool has_magnitude = false;
};

// The text of `lora_adapter_metadata` for a file whose alpha is its rank in every module: fields of
// PEFT's LoraConfig alone, since diffusers passes all of them on to it.
std::string adapter_metadata_text(const AdapterSpec& spec,
                                  const std::map<std::string, PeftModule>& modules);

// The entries that say who made a file and from what, for a file that is made from it; those that
// describe its form are not among them.
std::map<std::string, std::string> metadata_of_origin(
    const std::map<std::string, std::string>& metadata);

// Defaults of the entries that other tools look for, with `extra` over them; an entry of `extra`
// that is ours to write is an error.
std::map<std::string, std::string> with_common_metadata(
    const AdapterSpec& spec, const std::map<std::string, std::string>& extra,
    const std::string& implementation);

}  // namespace dorabooth
