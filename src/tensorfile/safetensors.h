// The safetensors container: a strict reader over a memory map and a writer with atomic
// replacement. Follows the format text and the rejections of huggingface/safetensors (tensor.rs).
// Torch-free.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dorabooth {

struct FileBytes;

enum class DType {
  kBool,
  kU8,
  kI8,
  kF8E5M2,
  kF8E4M3,
  kF8E8M0,
  kF8E4M3Fnuz,
  kF8E5M2Fnuz,
  kI16,
  kU16,
  kF16,
  kBF16,
  kI32,
  kU32,
  kF32,
  kI64,
  kU64,
  kF64,
  kC64,
  kF4,
  kF6E2M3,
  kF6E3M2
};

const char* dtype_name(DType dtype);  // "F32", as in the header
int dtype_bits(DType dtype);
DType parse_dtype(const std::string& name);  // throws on an unknown name
std::optional<DType> find_dtype(std::string_view name);

struct TensorEntry {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  uint64_t begin = 0;  // bytes from the start of the file's data part
  uint64_t end = 0;

  int64_t numel() const;
  uint64_t bytes() const { return end - begin; }
};

// An open file; entries in file order. Everything is checked when it is opened; errors name the
// file, the tensor and the rule. Data is not touched until it is read.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path& path);
  ~SafetensorsFile();
  SafetensorsFile(SafetensorsFile&&) noexcept;
  SafetensorsFile& operator=(SafetensorsFile&&) noexcept;

  const std::filesystem::path& path() const;
  const std::vector<TensorEntry>& entries() const;
  const TensorEntry* find(const std::string& name) const;  // nullptr if absent
  const TensorEntry& at(
      const std::string& name) const;  // throws with the file and the nearest name
  const std::map<std::string, std::string>& metadata() const;

  // The mapped bytes of a tensor, valid while this object lives; possibly unaligned.
  const std::byte* data(const TensorEntry& entry) const;
  // Copies bytes [offset, offset + out.size()) of the tensor by pread (no mapped page is touched).
  void read(const TensorEntry& entry, uint64_t offset, std::span<std::byte> out) const;
  // The same bytes as a writer copies them from here.
  FileBytes bytes(const TensorEntry& entry, uint64_t offset, uint64_t count) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Streaming writer: the header is fixed at construction (tensors sorted by the reference writer's
// rule: widest dtype first, then by name; header padded to a multiple of 8), then each tensor's
// bytes are written in any order and any pieces; finish() checks that every byte came, syncs and
// renames. Without finish() (an error, a stop) the destructor removes the temporary file.
class SafetensorsWriter {
 public:
  // `least_direct`: a file of so many bytes goes past the page cache, where the file system has
  // such a way. A smaller one is likely to be read again soon, by the tool that it was made for.
  static constexpr uint64_t kLeastDirect = 256 << 20;
  SafetensorsWriter(const std::filesystem::path& path, std::vector<TensorEntry> tensors,
                    const std::map<std::string, std::string>& metadata,
                    uint64_t least_direct = kLeastDirect);
  ~SafetensorsWriter();
  SafetensorsWriter(const SafetensorsWriter&) = delete;
  SafetensorsWriter& operator=(const SafetensorsWriter&) = delete;

  void write(const std::string& name, uint64_t offset, std::span<const std::byte> bytes);
  // What the address of many bytes for that place should leave over kMemoryStep, to be written
  // without a copy.
  static constexpr uint64_t kMemoryStep = 512;
  uint64_t memory_offset(const std::string& name, uint64_t offset) const;
  // The same with bytes [first, first + count) of another file's tensor: by far the cheapest way.
  void copy(const std::string& name, uint64_t offset, const SafetensorsFile& from,
            const TensorEntry& entry, uint64_t first, uint64_t count);
  void finish();

  // Size of the finished file for these tensors, for disk-space checks.
  static uint64_t file_size(const std::vector<TensorEntry>& tensors,
                            const std::map<std::string, std::string>& metadata);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dorabooth
