// Small safetensors files and folders made on the spot.
#pragma once

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "src/tensorfile/safetensors.h"

namespace dorabooth::testing {

using Shapes = std::vector<std::pair<std::string, std::vector<int64_t>>>;

// Tensors of these names and shapes; element i of every tensor is i modulo 64.
inline void write_fake_file(const std::filesystem::path& path, const Shapes& tensors,
                            const std::map<std::string, std::string>& metadata = {}) {
  std::filesystem::create_directories(path.parent_path());
  std::vector<TensorEntry> entries;
  for (const auto& [name, shape] : tensors) entries.push_back({name, DType::kF32, shape, 0, 0});
  SafetensorsWriter writer(path, entries, metadata);
  for (const TensorEntry& entry : entries) {
    std::vector<float> values(static_cast<size_t>(entry.numel()));
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 64);
    writer.write(entry.name, 0, std::as_bytes(std::span(values)));
  }
  writer.finish();
}

inline void write_text(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

}  // namespace dorabooth::testing
