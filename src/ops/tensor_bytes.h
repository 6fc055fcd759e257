// Between the bytes of a tensor file and torch tensors.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "src/tensorfile/safetensors.h"

namespace dorabooth {

// The torch type of a file's dtype and back; throws for types LibTorch lacks.
at::ScalarType scalar_type(DType dtype);
DType file_dtype(at::ScalarType type);

// A CPU copy of `bytes` (which may be unaligned).
at::Tensor tensor_from_bytes(DType dtype, const std::vector<int64_t>& shape,
                             const std::byte* bytes);

// A CPU tensor over the mapped bytes that keeps `file` alive: no copy where they are aligned.
at::Tensor map_tensor(std::shared_ptr<const SafetensorsFile> file, const TensorEntry& entry);

}  // namespace dorabooth
