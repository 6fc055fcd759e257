// One line a storage.
#include "src/quant/weight_storage.h"

#include "src/base/error.h"
#include "src/quant/nf4.h"
#include "src/quant/scaled_rows.h"

namespace dorabooth {

WeightStorage parse_weight_storage(const std::string& name) {
  if (name == "none") return WeightStorage::kDense;
  if (name == "nf4") return WeightStorage::kNf4;
  if (name == "int8") return WeightStorage::kInt8;
  if (name == "fp8") return WeightStorage::kFp8;
  throw UsageError(concat("--base_quantization: '", name, "' is not one of none, nf4, int8, fp8"));
}

std::shared_ptr<QuantizedWeight> quantized(const at::Tensor& weight, WeightStorage storage,
                                           const AdapterCore& core) {
  switch (storage) {
    case WeightStorage::kNf4:
      return std::make_shared<Nf4Weight>(weight, /*double_quantization=*/true, core);
    case WeightStorage::kInt8:
      return std::make_shared<ScaledRowsWeight>(weight, ByteCode::kInt8);
    case WeightStorage::kFp8:
      return std::make_shared<ScaledRowsWeight>(weight, ByteCode::kFp8E4M3);
    case WeightStorage::kDense:
      break;
  }
  fail("a dense weight is not quantised");
}

}  // namespace dorabooth
