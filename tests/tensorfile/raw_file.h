// Safetensors files written byte by byte, so that tests can break each rule of the format.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

namespace dorabooth::testing {

inline std::filesystem::path write_raw(const std::filesystem::path& path,
                                       const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

// The length prefix, `header` as it is, and `data_bytes` bytes 0, 1, 2, …
inline std::string raw_file(const std::string& header, size_t data_bytes) {
  const uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  bytes += header;
  for (size_t i = 0; i < data_bytes; ++i) bytes += static_cast<char>(i);
  return bytes;
}

}  // namespace dorabooth::testing
