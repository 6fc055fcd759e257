// What a single file holds beside its models: position ids, the logit scale, schedule tables,
// marker keys, and the header's metadata. A diffusers folder has no place for them; a folder made
// from a single file keeps them in a file of its own, from which they go back.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "src/model/checkpoint.h"
#include "src/model/stored_tensor.h"

namespace dorabooth {

inline constexpr const char* kSideTensorsName = "single_file_extras.safetensors";

struct SideTensors {
  bool found = false;                 // false for a folder that came from no single file
  std::vector<StoredTensor> tensors;  // by their single-file keys
  std::map<std::string, std::string> metadata;
};

// Of a single file, or of a folder that has kSideTensorsName. Whole side models (an EMA copy, a
// loss's network) are left behind. A folder's file with any other tensor is refused.
SideTensors side_tensors(const Checkpoint& checkpoint);

}  // namespace dorabooth
