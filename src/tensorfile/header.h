// The JSON header of a safetensors file: parsed with every rule of the format, and written as the
// reference writer writes it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "src/tensorfile/safetensors.h"

namespace dorabooth {

inline constexpr uint64_t kMaxHeaderBytes = 100'000'000;

struct SafetensorsHeader {
  std::vector<TensorEntry> entries;  // sorted by offset
  std::map<std::string, std::string> metadata;
};

// Parses and checks the header of a file with `data_bytes` bytes behind it. Errors name `path`.
SafetensorsHeader parse_header(std::string_view json, uint64_t data_bytes,
                               const std::filesystem::path& path);

// Sorts `tensors` (widest dtype first, then by name), sets their offsets from dtype and shape, and
// returns the JSON padded with spaces to a multiple of 8 bytes. Errors name `path`.
std::string format_header(std::vector<TensorEntry>& tensors,
                          const std::map<std::string, std::string>& metadata,
                          const std::filesystem::path& path);

// The bytes that dtype and shape ask for; throws on overflow and on a broken last byte.
uint64_t packed_bytes(const TensorEntry& entry, const std::filesystem::path& path);

// A dtype's place in the reference's list; its writer puts the later ones first.
int dtype_order(DType dtype);

// A name out of a file, safe to print: quoted, escaped, cut after 120 characters.
std::string quoted_name(std::string_view name);

}  // namespace dorabooth
