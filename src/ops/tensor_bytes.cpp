// LibTorch's dtypes and the container's, and tensors over mapped bytes.
#include "src/ops/tensor_bytes.h"

#include <ATen/ATen.h>

#include <cstring>

#include "src/base/error.h"

namespace dorabooth {

at::ScalarType scalar_type(DType dtype) {
  switch (dtype) {
    case DType::kBool:
      return at::kBool;
    case DType::kU8:
      return at::kByte;
    case DType::kI8:
      return at::kChar;
    case DType::kI16:
      return at::kShort;
    case DType::kF16:
      return at::kHalf;
    case DType::kBF16:
      return at::kBFloat16;
    case DType::kI32:
      return at::kInt;
    case DType::kF32:
      return at::kFloat;
    case DType::kI64:
      return at::kLong;
    case DType::kF64:
      return at::kDouble;
    case DType::kC64:
      return at::kComplexFloat;
    case DType::kF8E4M3:
      return at::kFloat8_e4m3fn;
    case DType::kF8E5M2:
      return at::kFloat8_e5m2;
    default:
      fail("tensors of type ", dtype_name(dtype), " cannot be computed with");
  }
}

DType file_dtype(at::ScalarType type) {
  switch (type) {
    case at::kBool:
      return DType::kBool;
    case at::kByte:
      return DType::kU8;
    case at::kChar:
      return DType::kI8;
    case at::kShort:
      return DType::kI16;
    case at::kHalf:
      return DType::kF16;
    case at::kBFloat16:
      return DType::kBF16;
    case at::kInt:
      return DType::kI32;
    case at::kFloat:
      return DType::kF32;
    case at::kLong:
      return DType::kI64;
    case at::kDouble:
      return DType::kF64;
    default:
      fail("tensors of type ", c10::toString(type), " cannot be written");
  }
}

at::Tensor tensor_from_bytes(DType dtype, const std::vector<int64_t>& shape,
                             const std::byte* bytes) {
  at::Tensor tensor = at::empty(shape, scalar_type(dtype));
  if (tensor.numel() > 0) std::memcpy(tensor.data_ptr(), bytes, tensor.nbytes());
  return tensor;
}

at::Tensor map_tensor(std::shared_ptr<const SafetensorsFile> file, const TensorEntry& entry) {
  const std::byte* bytes = file->data(entry);
  const at::ScalarType type = scalar_type(entry.dtype);
  if (entry.numel() == 0 || reinterpret_cast<uintptr_t>(bytes) % c10::elementSize(type) != 0) {
    return tensor_from_bytes(entry.dtype, entry.shape, bytes);
  }
  // The mapping is private and never written through: frozen weights only.
  return at::from_blob(
      const_cast<std::byte*>(bytes), entry.shape, [file](void*) {},
      at::TensorOptions().dtype(type));
}

}  // namespace dorabooth
