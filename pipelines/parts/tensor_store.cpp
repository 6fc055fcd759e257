// Copies between torch tensors and safetensors entries, contiguous and on the CPU.
#include "pipelines/parts/tensor_store.h"

#include <ATen/ATen.h>

#include "src/ops/tensor_bytes.h"
#include "src/tensorfile/safetensors.h"

namespace dorabooth {

void write_tensors(const std::filesystem::path& path,
                   const std::map<std::string, at::Tensor>& tensors,
                   const std::map<std::string, std::string>& metadata) {
  std::vector<TensorEntry> entries;
  for (const auto& [name, tensor] : tensors) {
    TensorEntry entry;
    entry.name = name;
    entry.dtype = file_dtype(tensor.scalar_type());
    entry.shape = tensor.sizes().vec();
    entries.push_back(std::move(entry));
  }
  SafetensorsWriter writer(path, std::move(entries), metadata);
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor plain = tensor.detach().cpu().contiguous();
    if (plain.numel() == 0) continue;
    writer.write(name, 0, {static_cast<const std::byte*>(plain.const_data_ptr()), plain.nbytes()});
  }
  writer.finish();
}

std::map<std::string, at::Tensor> read_tensors(const std::filesystem::path& path) {
  const SafetensorsFile file(path);
  std::map<std::string, at::Tensor> tensors;
  for (const TensorEntry& entry : file.entries()) {
    tensors[entry.name] = tensor_from_bytes(entry.dtype, entry.shape, file.data(entry));
  }
  return tensors;
}

}  // namespace dorabooth
