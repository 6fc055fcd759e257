#include "src/adapter/tensor_output.h"

#include <ATen/ATen.h>

#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/ops/tensor_bytes.h"

namespace dorabooth {

namespace fs = std::filesystem;

at::Tensor checked_numbers(const std::string& name, const at::Tensor& tensor) {
  const at::Tensor value = tensor.detach().to(at::kCPU, at::kFloat).contiguous();
  if (!at::isfinite(value).all().item<bool>()) fail(name, ": holds values that are not finite");
  return value;
}

// The file has tensors of one type in the order of their names.
std::string tensors_sha256(const std::map<std::string, at::Tensor>& tensors) {
  Sha256 hash;
  for (const auto& [name, tensor] : tensors) hash.update(tensor.const_data_ptr(), tensor.nbytes());
  return hash.hex();
}

std::vector<TensorEntry> entries_of(const std::map<std::string, at::Tensor>& tensors) {
  std::vector<TensorEntry> entries;
  for (const auto& [name, tensor] : tensors) {
    TensorEntry entry;
    entry.name = name;
    entry.dtype = file_dtype(tensor.scalar_type());
    entry.shape = tensor.sizes().vec();
    entries.push_back(std::move(entry));
  }
  return entries;
}

void write_adapter_tensors(const fs::path& path, const std::map<std::string, at::Tensor>& tensors,
                           const std::map<std::string, std::string>& metadata) {
  const std::vector<TensorEntry> entries = entries_of(tensors);
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  require_disk_space(folder, SafetensorsWriter::file_size(entries, metadata), "the adapter");
  SafetensorsWriter writer(path, entries, metadata);
  for (const auto& [name, tensor] : tensors) {
    const auto* bytes = static_cast<const std::byte*>(tensor.const_data_ptr());
    writer.write(name, 0, {bytes, tensor.nbytes()});
  }
  writer.finish();
}

}  // namespace dorabooth
