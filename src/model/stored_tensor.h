// One tensor of a base under its diffusers key, and where its bytes lie. Torch-free.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "src/model/single_file_keys.h"
#include "src/tensorfile/safetensors.h"

namespace dorabooth {

struct StoredTensor {
  std::string name;            // diffusers key
  std::vector<int64_t> shape;  // under that key
  std::shared_ptr<const SafetensorsFile> file;
  const TensorEntry* entry = nullptr;  // owned by `file`
  KeyChange change;                    // how the tensor lies in the entry

  // Its bytes inside the entry: all of them, or a third of a fused q; k; v.
  uint64_t first_byte() const;
  uint64_t bytes() const;
};

// Checks that the entry's shape allows the change and works out the diffusers shape.
StoredTensor make_stored_tensor(std::shared_ptr<const SafetensorsFile> file,
                                const TensorEntry& entry, std::string name, KeyChange change);

// Throws if two entries give the same tensor; errors name both.
void require_unique_names(const std::vector<StoredTensor>& tensors);

}  // namespace dorabooth
