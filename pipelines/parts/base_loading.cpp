// ModelOptions to LoadOptions.
#include "pipelines/parts/base_loading.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "src/base/error.h"
#include "src/device/adapter_core_choice.h"

namespace dorabooth {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

json file_stamp(const fs::directory_entry& entry) {
  return {entry.path().string(), entry.file_size(),
          entry.last_write_time().time_since_epoch().count()};
}

// Equal for equal options while no file of the base was written.
std::string key_of(const ModelOptions& options) {
  json key = {options.pretrained_model_name_or_path,
              options.variant.value_or(""),
              options.config_dir.value_or(""),
              options.device,
              options.dtype.value_or(""),
              options.base_quantization};
  const fs::directory_entry base(options.pretrained_model_name_or_path);
  if (base.is_regular_file()) {
    key.push_back(file_stamp(base));
  } else if (base.is_directory()) {
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(base)) {
      if (entry.is_regular_file()) key.push_back(file_stamp(entry));
    }
  }
  return key.dump();
}

}  // namespace

ResidentBase::ResidentBase() : kept_(std::make_unique<Kept>()) {}
ResidentBase::~ResidentBase() = default;
void ResidentBase::release() { *kept_ = {}; }
bool ResidentBase::holds() const { return kept_->bundle.has_value(); }

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
  load.nf4 = options.base_quantization == "nf4";
  return load_bundle(options.pretrained_model_name_or_path, load, log);
}

SdxlBundle load_base(const ModelOptions& options, const Log& log, ResidentBase* resident) {
  if (!resident) return load_base(options, log);
  const std::string key = key_of(options);
  ResidentBase::Kept& kept = resident->kept();
  if (kept.bundle && kept.key == key) return *kept.bundle;
  resident->release();  // never two bases at once
  kept.bundle = load_base(options, log);
  kept.key = key;
  return *kept.bundle;
}

}  // namespace dorabooth
