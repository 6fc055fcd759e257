// Reading and checking of shard indexes (diffusers, transformers: *.safetensors.index.json).
#include "src/tensorfile/index.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_map>

#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/tensorfile/header.h"

namespace dorabooth {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

// JSON's parser keeps the last of two equal keys; here that would hide a tensor in two shards.
json parse_without_repeated_keys(const std::string& text, const fs::path& path) {
  std::vector<std::set<std::string>> keys_of_open_objects;
  const auto check = [&](int, json::parse_event_t event, json& parsed) {
    if (event == json::parse_event_t::object_start) keys_of_open_objects.emplace_back();
    if (event == json::parse_event_t::object_end) keys_of_open_objects.pop_back();
    if (event == json::parse_event_t::key) {
      const std::string& key = parsed.get_ref<const std::string&>();
      if (!keys_of_open_objects.back().insert(key).second) {
        fail(path.string(), ": the key ", quoted_name(key), " is there twice");
      }
    }
    return true;
  };
  try {
    return json::parse(text, check);
  } catch (const json::parse_error& error) {
    fail(path.string(), ": not UTF-8 JSON (at byte ", error.byte, ")");
  } catch (const json::out_of_range&) {
    fail(path.string(), ": holds a number that no double holds");
  }
}

void check_shard_name(const std::string& shard, const fs::path& index) {
  if (shard.find_first_of(std::string_view("/\\\0", 3)) != shard.npos) {
    fail(index.string(), ": shard ", quoted_name(shard), " must be a file name without a folder");
  }
  if (!shard.ends_with(".safetensors")) {
    fail(index.string(), ": shard ", quoted_name(shard), " is not a .safetensors file");
  }
  // A name too long for any file is an error of the file system's, not a missing file.
  std::error_code error;
  if (!fs::is_regular_file(index.parent_path() / shard, error)) {
    fail(index.string(), ": shard ", quoted_name(shard), " is not in the folder ",
         index.parent_path().string());
  }
}

}  // namespace

ShardIndex read_shard_index(const fs::path& path) {
  const json document = parse_without_repeated_keys(read_file(path), path);
  if (!document.is_object() || !document.contains("weight_map") ||
      !document["weight_map"].is_object()) {
    fail(path.string(), ": a shard index is an object with an object 'weight_map'");
  }
  ShardIndex index{path, {}};
  std::set<std::string> checked;
  for (const auto& [tensor, shard] : document["weight_map"].items()) {
    if (!shard.is_string()) {
      fail(path.string(), ": the shard of tensor ", quoted_name(tensor), " must be a file name");
    }
    const std::string& name = index.weight_map[tensor] = shard.get<std::string>();
    if (checked.insert(name).second) check_shard_name(name, path);
  }
  return index;
}

std::vector<std::shared_ptr<const SafetensorsFile>> open_shards(const ShardIndex& index) {
  std::set<std::string> names;
  for (const auto& [tensor, shard] : index.weight_map) names.insert(shard);
  std::vector<std::shared_ptr<const SafetensorsFile>> shards;
  std::unordered_map<std::string, std::string> shard_of_tensor;
  for (const std::string& name : names) {
    shards.push_back(std::make_shared<SafetensorsFile>(index.path.parent_path() / name));
    for (const TensorEntry& entry : shards.back()->entries()) {
      const auto [known, is_new] = shard_of_tensor.emplace(entry.name, name);
      if (!is_new) {
        fail(index.path.string(), ": tensor ", quoted_name(entry.name), " is in two shards, ",
             quoted_name(known->second), " and ", quoted_name(name));
      }
    }
  }
  for (const auto& [tensor, shard] : index.weight_map) {
    const auto found = shard_of_tensor.find(tensor);
    if (found == shard_of_tensor.end() || found->second != shard) {
      fail(index.path.string(), ": tensor ", quoted_name(tensor), " is not in its shard ",
           quoted_name(shard));
    }
  }
  return shards;
}

}  // namespace dorabooth
