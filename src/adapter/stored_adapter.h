// An adapter file as its tensors stand there, by the modules of a base: what the formulas of other
// programs see (consumer.h). adapter_contents.h gives it beside this program's own reading.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "src/adapter/adapter_keys.h"
#include "src/adapter/lora_config.h"
#include "src/adapter/module_parts.h"

namespace dorabooth {

struct StoredModule {
  std::string key;  // of one of its tensors
  Algebra algebra = Algebra::kLora;
  // fp32 on the CPU in the file's shapes; undefined where the file has none.
  at::Tensor down;              // [r, in, …]
  at::Tensor up;                // [out, r, …]
  std::optional<double> alpha;  // a tensor of its own
  at::Tensor magnitude;
  AdapterRole magnitude_role = AdapterRole::kMagnitudeVector;
  // What the other algebras have in the place of a pair, and the middle factor of a Tucker form.
  std::map<AdapterRole, at::Tensor> factors = {};
};

struct StoredAdapter {
  AdapterLayout layout = AdapterLayout::kDiffusers;
  // The change of a weight by its module, that of a bias by "<module>.bias".
  std::map<std::string, StoredModule> modules;
  std::map<std::string, std::string> metadata;
  std::map<std::string, LoraConfig> configs;  // by component, where the file states them
  std::vector<std::string> keys = {};         // all of the file, those of embeddings among them
};

}  // namespace dorabooth
