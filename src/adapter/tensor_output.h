// Writing the tensors of adapter files. Internal to src/adapter.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "src/tensorfile/safetensors.h"

namespace dorabooth {

// fp32 on the CPU; a value that is not finite is refused by `name`.
at::Tensor checked_numbers(const std::string& name, const at::Tensor& tensor);

// SHA-256 of what write_adapter_tensors() makes of them after the header, in hex: kohya's
// sshs_model_hash, ModelSpec's hash_sha256. All of one type.
std::string tensors_sha256(const std::map<std::string, at::Tensor>& tensors);

// The header's entries, offsets not yet set.
std::vector<TensorEntry> entries_of(const std::map<std::string, at::Tensor>& tensors);

// One file, whole or not at all; asks for the disk space first. Equal contents give equal bytes.
void write_adapter_tensors(const std::filesystem::path& path,
                           const std::map<std::string, at::Tensor>& tensors,
                           const std::map<std::string, std::string>& metadata);

}  // namespace dorabooth
