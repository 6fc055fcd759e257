// The three layouts a merge writes: a diffusers folder, a single file, the UNet alone. Internal to
// pipelines/merge.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "src/model/checkpoint.h"
#include "src/model/side_tensors.h"
#include "src/tensorfile/safetensors.h"

namespace dorabooth {

inline constexpr const char* kReceiptName = "merge_receipt.json";

class MergeOutput {
 public:
  // Plans the files; `dtype` absent: each tensor's own. `merges`: values change, not the layout
  // alone.
  MergeOutput(const Checkpoint& checkpoint, const std::string& layout,
              const std::filesystem::path& target, std::optional<at::ScalarType> dtype,
              bool merges);
  ~MergeOutput();
  MergeOutput(const MergeOutput&) = delete;
  MergeOutput& operator=(const MergeOutput&) = delete;

  int64_t tensor_count() const;
  uint64_t bytes() const;
  // A tensor's new values, or nothing where the base's stay; cheapest where the memory begins at
  // memory_offset, as SafetensorsWriter has it.
  using Source = std::function<at::Tensor(Component component, const std::string& name,
                                          at::ScalarType dtype, uint64_t memory_offset)>;
  // Asks for the disk space, then writes under a temporary name; a stop leaves early.
  void write(const Source& source, std::stop_token stop);
  // Puts the receipt beside the result and gives it its name.
  void publish(const std::string& receipt);
  std::filesystem::path receipt_path() const;

 private:
  // A tensor of the output and the part of the base's tensor that fills it.
  struct Piece {
    const StoredTensor* stored = nullptr;
    std::optional<Component> component;  // none of what lies beside the models
    KeyChange change;
    std::string entry;  // key in the output file
  };
  struct File {
    std::filesystem::path path;  // under the temporary folder
    std::vector<TensorEntry> entries;
    std::vector<Piece> pieces;
    std::map<std::string, std::string> metadata;
  };
  void plan_component(Component component, const std::filesystem::path& file);
  void plan_single_file();
  void plan_side_file();
  void add_side_tensors(File& file) const;
  std::map<std::string, std::string> single_file_metadata() const;
  void write_piece(const Piece& piece, DType dtype, const Source& source,
                   SafetensorsWriter& writer);
  void copy_side_files() const;
  DType dtype_of(const StoredTensor& stored) const;

  const Checkpoint& checkpoint_;
  SideTensors side_;
  std::string layout_;
  std::filesystem::path target_;
  std::filesystem::path temporary_;  // a folder beside the target
  std::optional<at::ScalarType> dtype_;
  bool merges_;
  std::vector<File> files_;
  std::vector<std::byte> buffer_;
};

}  // namespace dorabooth
