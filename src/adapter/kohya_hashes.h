// The hashes by which sd-webui-additional-networks and A1111 know models and adapters, as kohya's
// library/train_util.py defines them.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <string>

namespace dorabooth {

// model_hash(): the first 8 digits of the SHA-256 of the 64 KB behind the file's first MB (of
// nothing, where it is shorter): ss_sd_model_hash of a base in a single file.
std::string short_hash_of_file(const std::filesystem::path& path);

// addnet_hash_legacy(), sshs_legacy_hash: the same of the adapter's file as it would be with the
// ss_* entries of `metadata` alone in its header.
std::string legacy_hash(const std::map<std::string, at::Tensor>& tensors,
                        const std::map<std::string, std::string>& metadata);

}  // namespace dorabooth
