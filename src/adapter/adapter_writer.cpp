// Writing: fp32 tensors under diffusers' or kohya's names, one header. The same adapters and
// metadata give the same bytes.
#include <ATen/ATen.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "src/adapter/adapter_contents.h"
#include "src/adapter/adapter_header.h"
#include "src/adapter/adapter_keys.h"
#include "src/adapter/comfyui_rule.h"
#include "src/adapter/convolution_pairs.h"
#include "src/adapter/kohya_hashes.h"
#include "src/adapter/tensor_facts.h"
#include "src/adapter/tensor_output.h"
#include "src/adapter/vera.h"
#include "src/adapter/vera_file.h"
#include "src/base/error.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

using Modules = std::map<std::string, AdapterTensors>;
using Metadata = std::map<std::string, std::string>;

void require_modules(const fs::path& path, const Modules& modules) {
  if (modules.empty()) fail(path.string(), ": there are no adapters to write");
}

// wd_on_output is the one place where a reader can learn the axis of square layers.
void add_kohya_metadata(const AdapterSpec& spec, const std::vector<WeightPatch>& patches,
                        Metadata& metadata) {
  const auto decomposed = std::ranges::find_if(
      patches, [](const WeightPatch& patch) { return patch.magnitude.defined(); });
  const bool is_dora = spec.kind == "dora" || decomposed != patches.end();
  if (spec.is_full()) {
    metadata.emplace("ss_network_module", "lycoris.kohya");
    metadata.emplace("ss_network_args", nlohmann::json{{"algo", "full"}}.dump());
    return;
  }
  const bool is_plain = !is_dora && patches.empty();
  metadata.emplace("ss_network_module", is_plain ? "networks.lora" : "lycoris.kohya");
  metadata.emplace("ss_network_dim", concat(spec.rank));
  metadata.emplace("ss_network_alpha", concat(spec.alpha.value_or(static_cast<double>(spec.rank))));
  if (!is_dora) return;
  const bool output = spec.kind == "dora" ? spec.norm_axis == "output" : !decomposed->input_axis;
  metadata.emplace("ss_network_args", nlohmann::json{{"algo", "lora"},
                                                     {"dora_wd", "True"},
                                                     {"wd_on_output", output ? "True" : "False"}}
                                          .dump());
}

// Whether the specification is that of the linear layers: of a file that it is read back with.
bool states_kind(const AdapterSpec& spec, const Modules& modules) {
  bool linear = false;
  bool decomposed = false;
  for (const auto& [module, own] : modules) {
    if (own.b.dim() != 2) continue;
    linear = true;
    decomposed |= own.m.defined();
  }
  return linear && decomposed == (spec.kind == "dora");
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
  require_whole_components(modules);
  const AdapterSpec spec = spec_with_scales(given, modules);
  std::map<std::string, at::Tensor> tensors;
  std::map<std::string, PeftModule> facts;
  for (const auto& [module, given_tensors] : modules) {
    const AdapterTensors own = with_directions(given_tensors);
    facts[module] = {own.a.size(0), own.m.defined()};
    const bool is_unet = component_of(module) == "unet";
    const std::string stem = module + (is_unet ? ".lora" : ".lora_linear_layer");
    const double scale = update_scale(own, spec.use_rslora);
    const at::Tensor b = checked_numbers(module + ".B", own.b);
    tensors[stem + ".down.weight"] = checked_numbers(module + ".A", own.a);
    tensors[stem + ".up.weight"] =
        scale == 1.0 ? b : checked_numbers(module + ".B", b.to(at::kDouble) * scale);
    if (!own.m.defined()) continue;
    // transformers binds a text encoder's magnitudes by the ending ".weight" alone and drops the
    // others with a warning; PEFT, which loads the UNet's, takes both spellings.
    const char* name = is_unet ? ".lora_magnitude_vector" : ".lora_magnitude_vector.weight";
    tensors[module + name] = peft_magnitude(module, own);
  }
  Metadata metadata = with_common_metadata(spec, extra_metadata, "diffusers");
  metadata[kAdapterMetadataKey] = adapter_metadata_text(spec, facts);
  metadata["modelspec.hash_sha256"] = "0x" + tensors_sha256(tensors);
  if (states_kind(spec, modules)) {
    metadata[kSpecKey] = spec_entry_text({spec, /*scale_in_b=*/true});
  }
  write_adapter_tensors(path, tensors, metadata);
}

void write_diffusers_adapter(const fs::path& path, const AdapterSet& set,
                             const Metadata& extra_metadata) {
  write_diffusers_adapter(path, set.spec(), set.tensors(), extra_metadata);
}

namespace {

struct KohyaForm {
  BlockNames names = BlockNames::kSgm;
  const std::map<std::string, RowNorms>* norms = nullptr;  // dora_scale by ComfyUI's rule
  std::vector<WeightPatch> patches = {};
  std::map<std::string, at::Tensor> embeddings = {};  // by key
};

// m as a column or a row, or what stands for it under ComfyUI's rule.
at::Tensor dora_scale(const std::string& module, const at::Tensor& m, bool input_axis,
                      const KohyaForm& form) {
  if (input_axis) return m.unsqueeze(0);
  if (!form.norms) return m.unsqueeze(1);
  return checked_numbers(module + ".m", comfyui_magnitude(m, form.norms->at(module))).unsqueeze(1);
}

// A patch's tensors under `stem`, as kohya's and LyCORIS' files have them.
void add_patch(const std::string& stem, const WeightPatch& patch, const KohyaForm& form,
               std::map<std::string, at::Tensor>& tensors) {
  for (const auto& [role, factor] : patch.factors) {
    tensors[stem + "." + kohya_ending(role)] = checked_numbers(patch.parameter, factor);
  }
  if (const auto rank = patch.rank()) {
    tensors[stem + ".alpha"] =
        at::scalar_tensor(patch.scale * static_cast<double>(*rank), at::kFloat);
  }
  if (!patch.magnitude.defined()) return;
  at::Tensor scale = dora_scale(patch.module, patch.magnitude, patch.input_axis, form);
  for (size_t axis = 2; axis < patch.shape.size(); ++axis) scale = scale.unsqueeze(-1);
  tensors[stem + ".dora_scale"] = scale;
}

void write_kohya(const fs::path& path, const AdapterSpec& given, const Modules& modules,
                 const Metadata& extra_metadata, const KohyaForm& form) {
  if (form.patches.empty()) require_modules(path, modules);
  const AdapterSpec spec = spec_with_scales(given, modules);
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [module, given_tensors] : modules) {
    const AdapterTensors own = with_directions(given_tensors);
    const std::string stem = kohya_module_name(module, form.names == BlockNames::kSgm);
    // Readers know alpha/rank alone: rsLoRA's alpha/sqrt(rank) goes into alpha.
    const double alpha = update_scale(own, spec.use_rslora) * static_cast<double>(own.a.size(0));
    tensors[stem + ".lora_down.weight"] = checked_numbers(module + ".A", own.a);
    tensors[stem + ".lora_up.weight"] = checked_numbers(module + ".B", own.b);
    tensors[stem + ".alpha"] = at::scalar_tensor(alpha, at::kFloat);
    if (!own.m.defined()) continue;
    const at::Tensor m = checked_numbers(module + ".m", own.m);
    tensors[stem + ".dora_scale"] = dora_scale(module, m, spec.norm_axis != "output", form);
  }
  for (const WeightPatch& patch : form.patches) {
    add_patch(kohya_module_name(patch.module, form.names == BlockNames::kSgm), patch, form,
              tensors);
  }
  for (const auto& [key, rows] : form.embeddings) tensors[key] = checked_numbers(key, rows);
  Metadata metadata = with_common_metadata(spec, extra_metadata,
                                           "https://github.com/Stability-AI/generative-models");
  add_kohya_metadata(spec, form.patches, metadata);
  metadata.emplace("ss_output_name", path.stem().string());
  const std::string hash = tensors_sha256(tensors);
  metadata["sshs_model_hash"] = hash;
  metadata["sshs_legacy_hash"] = legacy_hash(tensors, metadata);
  metadata["modelspec.hash_sha256"] = "0x" + hash;
  const bool by_rows = std::ranges::any_of(form.patches, [](const WeightPatch& patch) {
    return patch.magnitude.defined() && !patch.input_axis;
  });
  if (form.norms && (by_rows || (spec.kind == "dora" && spec.norm_axis == "output"))) {
    metadata[kDoraScaleRuleKey] = "ComfyUI: m·(‖W‖ + eps)/‖W + s·B·A‖";
  }
  if (!modules.empty() || spec.is_full()) {
    metadata[kSpecKey] = spec_entry_text({spec, /*scale_in_b=*/false});
  }
  write_adapter_tensors(path, tensors, metadata);
}

}  // namespace

void write_kohya_adapter(const fs::path& path, const AdapterSpec& spec, const Modules& modules,
                         const Metadata& extra_metadata, BlockNames names) {
  write_kohya(path, spec, modules, extra_metadata, {names, nullptr, {}, {}});
}

void write_comfyui_adapter(const fs::path& path, const AdapterSpec& spec, const Modules& modules,
                           const std::map<std::string, RowNorms>& norms,
                           const Metadata& extra_metadata) {
  write_kohya(path, spec, modules, extra_metadata, {BlockNames::kSgm, &norms, {}, {}});
}

void write_kohya_contents(const fs::path& path, const AdapterContents& contents,
                          const std::map<std::string, RowNorms>* norms,
                          const Metadata& extra_metadata, BlockNames names) {
  Metadata metadata = extra_metadata;
  const bool is_full = contents.file.spec.is_full();
  if (!contents.patches.empty()) {
    metadata.emplace("modelspec.title",
                     is_full ? "Full fine-tuning, the difference from its base" : contents.kinds());
  }
  write_kohya(path, contents.file.spec, contents.file.modules, metadata,
              {names, norms, contents.patches, contents.embeddings});
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
