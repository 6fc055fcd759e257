// Names, sizes and writing order of the container's dtypes (huggingface/safetensors, tensor.rs).
#include <array>

#include "src/base/error.h"
#include "src/tensorfile/header.h"
#include "src/tensorfile/safetensors.h"

namespace dorabooth {

namespace {

struct DTypeInfo {
  DType dtype;
  const char* name;
  int bits;
};

// In the order of the reference's enum, which its writer sorts by: narrowest alignment first.
constexpr std::array kDTypes = {
    DTypeInfo{DType::kBool, "BOOL", 8},
    DTypeInfo{DType::kF4, "F4", 4},
    DTypeInfo{DType::kF6E2M3, "F6_E2M3", 6},
    DTypeInfo{DType::kF6E3M2, "F6_E3M2", 6},
    DTypeInfo{DType::kU8, "U8", 8},
    DTypeInfo{DType::kI8, "I8", 8},
    DTypeInfo{DType::kF8E5M2, "F8_E5M2", 8},
    DTypeInfo{DType::kF8E4M3, "F8_E4M3", 8},
    DTypeInfo{DType::kF8E8M0, "F8_E8M0", 8},
    DTypeInfo{DType::kF8E4M3Fnuz, "F8_E4M3FNUZ", 8},
    DTypeInfo{DType::kF8E5M2Fnuz, "F8_E5M2FNUZ", 8},
    DTypeInfo{DType::kI16, "I16", 16},
    DTypeInfo{DType::kU16, "U16", 16},
    DTypeInfo{DType::kF16, "F16", 16},
    DTypeInfo{DType::kBF16, "BF16", 16},
    DTypeInfo{DType::kI32, "I32", 32},
    DTypeInfo{DType::kU32, "U32", 32},
    DTypeInfo{DType::kF32, "F32", 32},
    DTypeInfo{DType::kC64, "C64", 64},
    DTypeInfo{DType::kF64, "F64", 64},
    DTypeInfo{DType::kI64, "I64", 64},
    DTypeInfo{DType::kU64, "U64", 64},
};

}  // namespace

int dtype_order(DType dtype) {
  for (size_t i = 0; i < kDTypes.size(); ++i) {
    if (kDTypes[i].dtype == dtype) return static_cast<int>(i);
  }
  fail("dtype number ", static_cast<int>(dtype), " is not one of the container's");
}

const char* dtype_name(DType dtype) {
  return kDTypes[static_cast<size_t>(dtype_order(dtype))].name;
}

int dtype_bits(DType dtype) { return kDTypes[static_cast<size_t>(dtype_order(dtype))].bits; }

std::optional<DType> find_dtype(std::string_view name) {
  for (const DTypeInfo& info : kDTypes) {
    if (info.name == name) return info.dtype;
  }
  return std::nullopt;
}

DType parse_dtype(const std::string& name) {
  if (const std::optional<DType> dtype = find_dtype(name)) return *dtype;
  std::vector<std::string> names;
  for (const DTypeInfo& info : kDTypes) names.emplace_back(info.name);
  fail("unknown dtype ", quoted_name(name), did_you_mean(name, names));
}

}  // namespace dorabooth
