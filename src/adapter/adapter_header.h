// The metadata of an adapter file's header: `lora_adapter_metadata` as diffusers reads it, our own
// `dorabooth` entry with the whole specification, and what other tools look for. Torch-free.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "src/adapter/spec.h"

namespace dorabooth {

inline constexpr const char* kAdapterMetadataKey = "lora_adapter_metadata";
inline constexpr const char* kSpecKey = "dorabooth";

// The `dorabooth` entry: {"scale_in_B": bool, "spec": {…}}.
struct SpecEntry {
  AdapterSpec spec;
  bool scale_in_b = false;  // B holds alpha/rank (or alpha/sqrt(rank)) times the adapter's B
};

std::string spec_entry_text(const SpecEntry& entry);
// Nothing where the header has no such entry; throws where it is malformed.
std::optional<SpecEntry> find_spec(const std::map<std::string, std::string>& metadata);

// The text of `lora_adapter_metadata` for a file whose alpha is its rank in every module: fields of
// PEFT's LoraConfig alone, since diffusers passes all of them on to it.
std::string adapter_metadata_text(const AdapterSpec& spec,
                                  const std::map<std::string, int64_t>& rank_of_module);

// Defaults of the entries that other tools look for, with `extra` over them; an entry of `extra`
// that is ours to write is an error.
std::map<std::string, std::string> with_common_metadata(
    const AdapterSpec& spec, const std::map<std::string, std::string>& extra,
    const std::string& implementation);

}  // namespace dorabooth
