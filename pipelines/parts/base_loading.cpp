// ModelOptions to LoadOptions.
#include "pipelines/parts/base_loading.h"

#include "src/base/error.h"
#include "src/device/adapter_core_choice.h"

namespace dorabooth {

at::ScalarType dtype_of_name(const std::string& name) {
  if (name == "fp32") return at::kFloat;
  if (name == "fp16") return at::kHalf;
  if (name == "bf16") return at::kBFloat16;
  throw UsageError(concat("--dtype: '", name, "' is not one of fp32, fp16, bf16"));
}

std::string name_of_dtype(at::ScalarType dtype) {
  for (const char* name : {"fp32", "fp16", "bf16"}) {
    if (dtype_of_name(name) == dtype) return name;
  }
  fail("a base has no dtype ", c10::toString(dtype));
}

SdxlBundle load_base(const ModelOptions& options, const Log& log,
                     const std::set<Component>& components) {
  if (options.pretrained_model_name_or_path.empty()) {
    throw UsageError("--pretrained_model_name_or_path is missing: it names the base");
  }
  const Device device = open_device(options.device);
  LoadOptions load;
  load.device = torch_device(device);
  const char* usual = device.kind == Device::Kind::kCuda ? "fp16" : "fp32";
  load.dtype = dtype_of_name(options.dtype.value_or(usual));
  load.variant = options.variant.value_or("");
  load.config_dir = options.config_dir.value_or("");
  load.components = components;
  return load_bundle(options.pretrained_model_name_or_path, load, log);
}

}  // namespace dorabooth
