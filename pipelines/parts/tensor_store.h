// Named tensors in one safetensors file: training states and caches.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <string>

namespace dorabooth {

void write_tensors(const std::filesystem::path& path,
                   const std::map<std::string, at::Tensor>& tensors,
                   const std::map<std::string, std::string>& metadata);
std::map<std::string, at::Tensor> read_tensors(const std::filesystem::path& path);

}  // namespace dorabooth
