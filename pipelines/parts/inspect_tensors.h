// What the tensors of one safetensors file tell without a base. Internal to pipelines/inspect.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "src/tensorfile/safetensors.h"

namespace dorabooth {

// "1,234 tensors, 2,567,463,684 numbers, F16".
std::string tensors_text(const std::vector<TensorEntry>& entries);

// Names of tensors that hold a NaN or an infinity.
std::vector<std::string> not_finite(const SafetensorsFile& file);

// An adapter file by its key suffixes alone.
struct AdapterSummary {
  std::string format;  // "diffusers", "peft", "kohya", "comfyui"
  std::string kind;    // "LoRA", "DoRA", "LoHa", "LoKr", "VeRA", "weight differences"
  std::map<std::string, size_t> modules_by_component;
  std::set<int64_t> ranks;
  std::set<std::string> alphas;        // as texts; "none" where a module has none
  std::set<std::string> targets;       // last parts of the module names
  std::string magnitude_axis;          // "output", "input", "open", "" without magnitudes
  std::set<std::string> placeholders;  // of bundled embeddings
  std::vector<std::string> unknown_keys;
  std::vector<std::string> problems;
};

bool looks_like_adapter(const std::vector<TensorEntry>& entries);
// Without `ignored` keys.
AdapterSummary summarize_adapter(const SafetensorsFile& file,
                                 const std::set<std::string>& ignored = {});

}  // namespace dorabooth
