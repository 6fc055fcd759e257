// Writing: fp32 tensors under diffusers' or kohya's names, one header. The same adapters and
// metadata give the same bytes.
#include <ATen/ATen.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "src/adapter/adapter_file.h"
#include "src/adapter/adapter_header.h"
#include "src/adapter/adapter_keys.h"
#include "src/adapter/tensor_facts.h"
#include "src/adapter/vera.h"
#include "src/adapter/vera_file.h"
#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/ops/tensor_bytes.h"
#include "src/tensorfile/safetensors.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

using Modules = std::map<std::string, AdapterTensors>;
using Metadata = std::map<std::string, std::string>;

// fp32 on the CPU; a value that is not finite is refused by its name.
at::Tensor checked(const std::string& name, const at::Tensor& tensor) {
  const at::Tensor value = tensor.detach().to(at::kCPU, at::kFloat).contiguous();
  if (!at::isfinite(value).all().item<bool>()) fail(name, ": holds values that are not finite");
  return value;
}

void write_tensors(const fs::path& path, const std::map<std::string, at::Tensor>& tensors,
                   const Metadata& metadata) {
  std::vector<TensorEntry> entries;
  for (const auto& [name, tensor] : tensors) {
    TensorEntry entry;
    entry.name = name;
    entry.dtype = file_dtype(tensor.scalar_type());
    entry.shape = tensor.sizes().vec();
    entries.push_back(std::move(entry));
  }
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  require_disk_space(folder, SafetensorsWriter::file_size(entries, metadata), "the adapter");
  SafetensorsWriter writer(path, entries, metadata);
  for (const auto& [name, tensor] : tensors) {
    const auto* bytes = static_cast<const std::byte*>(tensor.const_data_ptr());
    writer.write(name, 0, {bytes, tensor.nbytes()});
  }
  writer.finish();
}

void require_modules(const fs::path& path, const Modules& modules) {
  if (modules.empty()) fail(path.string(), ": there are no adapters to write");
}

// wd_on_output is the one place where a reader can learn the axis of square layers.
void add_kohya_metadata(const AdapterSpec& spec, Metadata& metadata) {
  const bool is_dora = spec.kind == "dora";
  metadata.emplace("ss_network_module", is_dora ? "lycoris.kohya" : "networks.lora");
  metadata.emplace("ss_network_dim", concat(spec.rank));
  metadata.emplace("ss_network_alpha", concat(spec.alpha.value_or(static_cast<double>(spec.rank))));
  if (!is_dora) return;
  const bool output = spec.norm_axis == "output";
  metadata.emplace("ss_network_args", nlohmann::json{{"algo", "lora"},
                                                     {"dora_wd", "True"},
                                                     {"wd_on_output", output ? "True" : "False"}}
                                          .dump());
}

// Readers expect A and B beside every magnitude: zeros of rank 1 where there are none.
AdapterTensors with_directions(AdapterTensors own) {
  if (own.a.size(0) > 0) return own;
  own.a = at::zeros({1, own.a.size(1)}, at::kFloat);
  own.b = at::zeros({own.b.size(0), 1}, at::kFloat);
  own.alpha = 1.0;
  return own;
}

bool needs_kohya(const AdapterSpec& spec) {
  return spec.kind == "dora" && spec.norm_axis != "output";
}

}  // namespace

void write_diffusers_adapter(const fs::path& path, const AdapterSpec& given, const Modules& modules,
                             const Metadata& extra_metadata) {
  require_modules(path, modules);
  if (needs_kohya(given)) {
    fail(path.string(),
         ": diffusers reads one magnitude per output feature, this DoRA has one per ",
         "input feature; kohya's format holds it");
  }
  const AdapterSpec spec = spec_with_scales(given, modules);
  std::map<std::string, at::Tensor> tensors;
  std::map<std::string, int64_t> ranks;
  for (const auto& [module, given_tensors] : modules) {
    const AdapterTensors own = with_directions(given_tensors);
    ranks[module] = own.a.size(0);
    const bool is_unet = component_of(module) == "unet";
    const std::string stem = module + (is_unet ? ".lora" : ".lora_linear_layer");
    const double scale = update_scale(own, spec.use_rslora);
    const at::Tensor b = checked(module + ".B", own.b);
    tensors[stem + ".down.weight"] = checked(module + ".A", own.a);
    tensors[stem + ".up.weight"] =
        scale == 1.0 ? b : checked(module + ".B", b.to(at::kDouble) * scale);
    if (!own.m.defined()) continue;
    // transformers binds a text encoder's magnitudes by the ending ".weight" alone and drops the
    // others with a warning; PEFT, which loads the UNet's, takes both spellings.
    const char* name = is_unet ? ".lora_magnitude_vector" : ".lora_magnitude_vector.weight";
    tensors[module + name] = checked(module + ".m", own.m);
  }
  Metadata metadata = with_common_metadata(spec, extra_metadata, "diffusers");
  metadata[kAdapterMetadataKey] = adapter_metadata_text(spec, ranks);
  metadata[kSpecKey] = spec_entry_text({spec, /*scale_in_b=*/true});
  write_tensors(path, tensors, metadata);
}

void write_diffusers_adapter(const fs::path& path, const AdapterSet& set,
                             const Metadata& extra_metadata) {
  write_diffusers_adapter(path, set.spec(), set.tensors(), extra_metadata);
}

void write_kohya_adapter(const fs::path& path, const AdapterSpec& given, const Modules& modules,
                         const Metadata& extra_metadata) {
  require_modules(path, modules);
  const AdapterSpec spec = spec_with_scales(given, modules);
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [module, given_tensors] : modules) {
    const AdapterTensors own = with_directions(given_tensors);
    const std::string stem = kohya_module_name(module);
    // Readers know alpha/rank alone: rsLoRA's alpha/sqrt(rank) goes into alpha.
    const double alpha = update_scale(own, spec.use_rslora) * static_cast<double>(own.a.size(0));
    tensors[stem + ".lora_down.weight"] = checked(module + ".A", own.a);
    tensors[stem + ".lora_up.weight"] = checked(module + ".B", own.b);
    tensors[stem + ".alpha"] = at::scalar_tensor(alpha, at::kFloat);
    if (!own.m.defined()) continue;
    const at::Tensor m = checked(module + ".m", own.m);
    tensors[stem + ".dora_scale"] = m.unsqueeze(spec.norm_axis == "output" ? 1 : 0);
  }
  Metadata metadata = with_common_metadata(spec, extra_metadata,
                                           "https://github.com/Stability-AI/generative-models");
  add_kohya_metadata(spec, metadata);
  metadata[kSpecKey] = spec_entry_text({spec, /*scale_in_b=*/false});
  write_tensors(path, tensors, metadata);
}

void write_adapter_file(const fs::path& path, const AdapterSpec& spec, const Modules& modules,
                        const Metadata& extra_metadata) {
  if (spec.is_vera()) {
    AdapterSpec as_lora = spec;
    as_lora.kind = spec.has_magnitude() ? "dora" : "lora";
    write_adapter_file(path, as_lora, vera_as_lora(modules), extra_metadata);
    if (!spec.has_magnitude()) write_vera_folders(path.parent_path() / "peft", spec, modules);
    return;
  }
  if (needs_kohya(spec)) {
    write_kohya_adapter(path, spec, modules, extra_metadata);
  } else {
    write_diffusers_adapter(path, spec, modules, extra_metadata);
  }
}

}  // namespace dorabooth
