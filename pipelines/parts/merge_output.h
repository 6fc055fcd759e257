// The three layouts a merge writes: a diffusers folder, a single file, the UNet alone. Internal to
// pipelines/merge.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "src/model/checkpoint.h"
#include "src/tensorfile/safetensors.h"

namespace dorabooth {

inline constexpr const char* kReceiptName = "merge_receipt.json";

class MergeOutput {
 public:
  // Plans the files; `dtype` absent: each tensor's own.
  MergeOutput(const Checkpoint& checkpoint, const std::string& layout,
              const std::filesystem::path& target, std::optional<at::ScalarType> dtype);
  ~MergeOutput();
  MergeOutput(const MergeOutput&) = delete;
  MergeOutput& operator=(const MergeOutput&) = delete;

  int64_t tensor_count() const;
  uint64_t bytes() const;
  using Source =
      std::function<at::Tensor(Component component, const std::string& name, at::ScalarType dtype)>;
  // Asks for the disk space, then writes under a temporary name; a stop leaves early.
  void write(const Source& source, std::stop_token stop);
  // Puts the receipt beside the result and gives it its name.
  void publish(const std::string& receipt);
  std::filesystem::path receipt_path() const;

 private:
  // A tensor of the output and the part of the base's tensor that fills it.
  struct Piece {
    Component component = Component::kUNet;
    std::string name;  // diffusers key
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
  void copy_side_files() const;
  DType dtype_of(const StoredTensor& stored) const;

  const Checkpoint& checkpoint_;
  std::string layout_;
  std::filesystem::path target_;
  std::filesystem::path temporary_;  // a folder beside the target
  std::optional<at::ScalarType> dtype_;
  std::vector<File> files_;
};

}  // namespace dorabooth
