// library/train_util.py: model_hash, addnet_hash_legacy, precalculate_safetensors_hashes.
#include "src/adapter/kohya_hashes.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <fstream>

#include "src/adapter/tensor_output.h"
#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/tensorfile/header.h"

namespace dorabooth {

namespace {

constexpr uint64_t kFirst = 0x100000;
constexpr uint64_t kLast = kFirst + 0x10000;
constexpr size_t kDigits = 8;

// Takes a file's bytes in their order and hashes those of the window.
class Window {
 public:
  void add(const void* data, uint64_t size) {
    const uint64_t first = std::clamp(kFirst, at_, at_ + size);
    const uint64_t last = std::clamp(kLast, at_, at_ + size);
    hash_.update(static_cast<const std::byte*>(data) + (first - at_), last - first);
    at_ += size;
  }
  std::string hex() { return hash_.hex().substr(0, kDigits); }

 private:
  uint64_t at_ = 0;
  Sha256 hash_;
};

}  // namespace

std::string short_hash_of_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(path.string(), ": cannot be read");
  std::array<char, kLast - kFirst> bytes;
  file.seekg(static_cast<std::streamoff>(kFirst));
  if (file) file.read(bytes.data(), bytes.size());
  Sha256 hash;
  hash.update(bytes.data(), static_cast<size_t>(file.gcount()));
  return hash.hex().substr(0, kDigits);
}

std::string legacy_hash(const std::map<std::string, at::Tensor>& tensors,
                        const std::map<std::string, std::string>& metadata) {
  std::map<std::string, std::string> training;
  for (const auto& [key, value] : metadata) {
    if (key.starts_with("ss_")) training[key] = value;
  }
  std::vector<TensorEntry> entries = entries_of(tensors);
  const std::string header = format_header(entries, training, "sshs_legacy_hash");
  const uint64_t length = header.size();  // little-endian, as the file has it
  Window window;
  window.add(&length, sizeof length);
  window.add(header.data(), header.size());
  for (const TensorEntry& entry : entries) {
    const at::Tensor& tensor = tensors.at(entry.name);
    window.add(tensor.const_data_ptr(), tensor.nbytes());
  }
  return window.hex();
}

}  // namespace dorabooth
