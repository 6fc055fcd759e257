// An adapter file as its tensors stand there, by the modules of a base: what the formulas of other
// programs see (consumer.h). read_adapter_file() gives it beside this program's own reading.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <optional>
#include <string>

#include "src/adapter/adapter_keys.h"
#include "src/adapter/lora_config.h"

namespace dorabooth {

struct StoredModule {
  std::string key;  // of one of its tensors
  // fp32 on the CPU in the file's shapes; undefined where the file has none.
  at::Tensor down;              // [r, in, …]
  at::Tensor up;                // [out, r, …]
  std::optional<double> alpha;  // a tensor of its own
  at::Tensor magnitude;
  AdapterRole magnitude_role = AdapterRole::kMagnitudeVector;
};

struct StoredAdapter {
  AdapterLayout layout = AdapterLayout::kDiffusers;
  std::map<std::string, StoredModule> modules;
  std::map<std::string, std::string> metadata;
  std::map<std::string, LoraConfig> configs;  // by component, where the file states them
};

}  // namespace dorabooth
