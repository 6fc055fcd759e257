// ModelOptions to LoadOptions.
#include "pipelines/parts/base_loading.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "src/base/error.h"
#include "src/device/adapter_core_choice.h"
#include "src/model/checkpoint.h"
#include "src/model/load.h"

namespace dorabooth {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

json file_stamp(const fs::directory_entry& entry) {
  return {entry.path().string(), entry.file_size(),
          entry.last_write_time().time_since_epoch().count()};
}

void add_file_stamps(const std::string& path, json& key) {
  const fs::directory_entry base(path);
  if (base.is_regular_file()) {
    key.push_back(file_stamp(base));
  } else if (base.is_directory()) {
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(base)) {
      if (entry.is_regular_file()) key.push_back(file_stamp(entry));
    }
  }
}

// Equal for equal options while no file of the base was written.
std::string key_of(const ModelOptions& options) {
  json key = {options.pretrained_model_name_or_path,
              options.pretrained_vae_model_name_or_path.value_or(""),
              options.variant.value_or(""),
              options.config_dir.value_or(""),
              options.device,
              options.dtype.value_or(""),
              options.vae_dtype,
              options.base_quantization};
  add_file_stamps(options.pretrained_model_name_or_path, key);
  add_file_stamps(options.pretrained_vae_model_name_or_path.value_or(""), key);
  return key.dump();
}

Checkpoint vae_source(const ModelOptions& options) {
  const std::string variant = options.variant.value_or("");
  if (const auto& apart = options.pretrained_vae_model_name_or_path) {
    return Checkpoint::open_vae(*apart, variant);
  }
  return Checkpoint::open(options.pretrained_model_name_or_path, variant,
                          options.config_dir.value_or(""));
}

// The numbers come from the file once more: what overflowed fp16 may be whole there.
void mend_vae_overflow(const SdxlBundle& bundle, const ModelOptions& options, const Log& log) {
  if (!bundle.vae || bundle.vae->dtype() != at::kHalf) return;
  bundle.vae->on_overflow([vae = bundle.vae.get(), device = bundle.device, options, log] {
    const at::NoGradGuard no_grad;
    const Checkpoint source = vae_source(options);
    load_weights(*vae, source.weights(Component::kVae), {at::kFloat, device});
    log.warning(
        concat("the VAE overflowed fp16: from here on it works in fp32, with the numbers of ",
               source.path().string(), ", beginning with this picture"));
  });
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
  load.vae_dtype = dtype_of_name(options.vae_dtype);
  load.variant = options.variant.value_or("");
  load.vae_path = options.pretrained_vae_model_name_or_path.value_or("");
  load.config_dir = options.config_dir.value_or("");
  load.components = components;
  load.storage = parse_weight_storage(options.base_quantization);
  SdxlBundle bundle = load_bundle(options.pretrained_model_name_or_path, load, log);
  mend_vae_overflow(bundle, options, log);
  return bundle;
}

SdxlBundle load_base(const ModelOptions& options, const Log& log, ResidentBase* resident) {
  if (!resident) return load_base(options, log);
  const std::string key = key_of(options);
  ResidentBase::Kept& kept = resident->kept();
  if (kept.bundle && kept.key == key) {
    mend_vae_overflow(*kept.bundle, options, log);  // the earlier caller's log is gone
    return *kept.bundle;
  }
  resident->release();  // never two bases at once
  kept.bundle = load_base(options, log);
  kept.key = key;
  return *kept.bundle;
}

}  // namespace dorabooth
