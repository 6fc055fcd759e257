// A checkpoint in shards: the index JSON {"metadata": {…}, "weight_map": {tensor: shard file}} of
// diffusers and transformers, and the shards that it names.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "src/tensorfile/safetensors.h"

namespace dorabooth {

struct ShardIndex {
  std::filesystem::path path;                     // the index file; the shards lie beside it
  std::map<std::string, std::string> weight_map;  // tensor name → shard file name
};

// Reads the index and checks its form: no key twice, each shard a bare name ending in .safetensors
// of a file that exists in the index's folder.
ShardIndex read_shard_index(const std::filesystem::path& path);

// Opens the shards, in order of their names, and checks that every tensor is in the shard named for
// it and that no tensor is in two shards.
std::vector<std::shared_ptr<const SafetensorsFile>> open_shards(const ShardIndex& index);

}  // namespace dorabooth
