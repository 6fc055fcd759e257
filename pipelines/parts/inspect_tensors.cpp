// Adapter files are grouped by the part of a key before a known suffix; no base is needed.
#include "pipelines/parts/inspect_tensors.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>

#include "src/adapter/bundled_embedding.h"
#include "src/base/error.h"
#include "src/ops/tensor_bytes.h"

namespace dorabooth {

namespace {

enum class Role { kDown, kUp, kMagnitude, kAlpha, kOther };

struct Suffix {
  const char* text;
  Role role;
};

// Longer endings first: the first that fits names the role.
constexpr std::array kSuffixes = {
    Suffix{".lora_linear_layer.down.weight", Role::kDown},
    Suffix{".lora_linear_layer.up.weight", Role::kUp},
    Suffix{".lora.down.weight", Role::kDown},
    Suffix{".lora.up.weight", Role::kUp},
    Suffix{"_lora.down.weight", Role::kDown},
    Suffix{"_lora.up.weight", Role::kUp},
    Suffix{".lora_A.weight", Role::kDown},
    Suffix{".lora_B.weight", Role::kUp},
    Suffix{".lora_down.weight", Role::kDown},
    Suffix{".lora_up.weight", Role::kUp},
    Suffix{".lora_magnitude_vector.weight", Role::kMagnitude},
    Suffix{".lora_magnitude_vector", Role::kMagnitude},
    Suffix{".dora_scale", Role::kMagnitude},
    Suffix{".magnitude", Role::kMagnitude},
    Suffix{".weight_m_wdecomp.weight", Role::kMagnitude},
    Suffix{".alpha", Role::kAlpha},
    Suffix{".hada_w1_a", Role::kUp},
    Suffix{".hada_w1_b", Role::kDown},
    Suffix{".hada_w2_a", Role::kOther},
    Suffix{".hada_w2_b", Role::kOther},
    Suffix{".lokr_w1", Role::kOther},
    Suffix{".lokr_w2", Role::kOther},
    Suffix{".lokr_w1_a", Role::kUp},
    Suffix{".lokr_w1_b", Role::kDown},
    Suffix{".lokr_w2_a", Role::kUp},
    Suffix{".lokr_w2_b", Role::kDown},
    Suffix{".lora_mid.weight", Role::kOther},
    Suffix{".hada_t1", Role::kOther},
    Suffix{".hada_t2", Role::kOther},
    Suffix{".lokr_t2", Role::kOther},
    Suffix{".diff", Role::kOther},
    Suffix{".diff_b", Role::kOther},
    Suffix{".w_norm", Role::kOther},
    Suffix{".b_norm", Role::kOther},
    Suffix{".set_weight", Role::kOther},
    Suffix{".vera_lambda_d", Role::kOther},
    Suffix{".vera_lambda_b", Role::kOther},
};

const Suffix* suffix_of(const std::string& name) {
  for (const Suffix& suffix : kSuffixes) {
    if (name.ends_with(suffix.text)) return &suffix;
  }
  return nullptr;
}

struct Module {
  const TensorEntry* down = nullptr;
  const TensorEntry* up = nullptr;
  const TensorEntry* magnitude = nullptr;
  const TensorEntry* alpha = nullptr;
  bool other = false;
};

std::string component_of_module(const std::string& module) {
  for (const char* prefix : {"text_encoder_2.", "lora_te2_", "text_encoders.clip_g."}) {
    if (module.starts_with(prefix)) return "text_encoder_2";
  }
  for (const char* prefix : {"text_encoder.", "lora_te1_", "lora_te_", "text_encoders.clip_l."}) {
    if (module.starts_with(prefix)) return "text_encoder";
  }
  if (module.find("self_attn") != std::string::npos)
    return "text encoder (PEFT does not say which)";
  return "unet";
}

std::string target_of_module(const std::string& module) {
  for (const char* known : {"to_q", "to_k", "to_v", "q_proj", "k_proj", "v_proj", "out_proj",
                            "proj_in", "proj_out", "fc1", "fc2"}) {
    if (module.ends_with(known)) return known;
  }
  if (module.ends_with("to_out.0") || module.ends_with("to_out_0") || module.ends_with("to_out")) {
    return "to_out.0";
  }
  const size_t dot = module.rfind('.');
  return dot == std::string::npos ? module : module.substr(dot + 1);
}

at::Tensor values(const SafetensorsFile& file, const TensorEntry& entry) {
  return tensor_from_bytes(entry.dtype, entry.shape, file.data(entry));
}

std::string axis_of(const TensorEntry& magnitude, const Module& module) {
  const bool is_scale = magnitude.name.ends_with(".dora_scale");
  if (is_scale && magnitude.shape.size() >= 2 && magnitude.shape[0] * magnitude.shape[1] > 1) {
    return magnitude.shape[0] == 1 ? "input" : "output";
  }
  if (!module.up || !module.down || module.down->shape.size() < 2) return "open";
  const int64_t out = module.up->shape[0];
  const int64_t in = module.down->shape[1];
  const auto& shape = magnitude.shape;
  if (shape.size() >= 2 && shape[0] == 1 && shape[1] == in && in != 1) return "input";
  if (shape.size() >= 2 && shape[0] == out) return "output";
  if (shape.size() == 1 && out != in) return shape[0] == out ? "output" : "input";
  if (magnitude.name.find("lora_magnitude_vector") != std::string::npos) return "output";
  return "open";
}

void describe(const SafetensorsFile& file, const std::string& name, const Module& module,
              AdapterSummary& summary) {
  ++summary.modules_by_component[component_of_module(name)];
  summary.targets.insert(target_of_module(name));
  const bool magnitude_only = !module.down && !module.up && module.magnitude;
  if (!module.other && !module.down && !magnitude_only)
    summary.problems.push_back(name + ": the down half (A) is missing");
  if (!module.other && !module.up && !magnitude_only)
    summary.problems.push_back(name + ": the up half (B) is missing");
  if (module.down && !module.down->shape.empty()) summary.ranks.insert(module.down->shape[0]);
  if (module.up && !module.magnitude &&
      at::count_nonzero(values(file, *module.up)).item<int64_t>() == 0) {
    summary.problems.push_back(name + ": B is all zeros, so the module changes nothing");
  }
  if (module.alpha && module.alpha->numel() == 1) {
    summary.alphas.insert(concat(values(file, *module.alpha).to(at::kDouble).item<double>()));
  } else {
    summary.alphas.insert("none");
  }
  if (module.magnitude) {
    const std::string axis = axis_of(*module.magnitude, module);
    if (summary.magnitude_axis.empty() || summary.magnitude_axis == "open") {
      summary.magnitude_axis = axis;
    } else if (axis != "open" && axis != summary.magnitude_axis) {
      summary.problems.push_back(name +
                                 ": its magnitude is of the other axis than the rest of the file");
    }
  }
}

}  // namespace

std::string tensors_text(const std::vector<TensorEntry>& entries) {
  std::map<std::string, int64_t> numbers_by_type;
  int64_t numbers = 0;
  for (const TensorEntry& entry : entries) {
    numbers_by_type[dtype_name(entry.dtype)] += entry.numel();
    numbers += entry.numel();
  }
  std::string types;
  for (const auto& [type, count] : numbers_by_type) types += (types.empty() ? "" : ", ") + type;
  return concat(entries.size(), " tensors, ", numbers, " numbers, ", types);
}

std::vector<std::string> not_finite(const SafetensorsFile& file) {
  std::vector<std::string> names;
  for (const TensorEntry& entry : file.entries()) {
    const bool is_float = entry.dtype == DType::kF16 || entry.dtype == DType::kBF16 ||
                          entry.dtype == DType::kF32 || entry.dtype == DType::kF64;
    if (!is_float || entry.numel() == 0) continue;
    if (!at::isfinite(values(file, entry)).all().item<bool>()) names.push_back(entry.name);
  }
  return names;
}

bool looks_like_adapter(const std::vector<TensorEntry>& entries) {
  return std::ranges::any_of(entries, [](const TensorEntry& entry) {
    const Suffix* suffix = suffix_of(entry.name);
    return suffix && suffix->role != Role::kAlpha;
  });
}

AdapterSummary summarize_adapter(const SafetensorsFile& file,
                                 const std::set<std::string>& ignored) {
  AdapterSummary summary;
  std::map<std::string, Module> modules;
  summary.kind = "LoRA";
  summary.format = "diffusers";
  size_t others = 0;  // tensors that are no half of a pair
  for (const TensorEntry& entry : file.entries()) {
    if (ignored.contains(entry.name)) continue;
    if (entry.name == "base_model.vera_A" || entry.name == "base_model.vera_B") continue;
    if (const auto bundled = parse_bundled_key(entry.name)) {
      summary.placeholders.insert(bundled->placeholder);
      continue;
    }
    const Suffix* suffix = suffix_of(entry.name);
    if (!suffix) {
      summary.unknown_keys.push_back(entry.name);
      continue;
    }
    others += suffix->role == Role::kOther;
    if (entry.name.starts_with("base_model.model.")) summary.format = "peft";
    if (entry.name.starts_with("diffusion_model.") || entry.name.starts_with("text_encoders."))
      summary.format = "comfyui";
    if (entry.name.starts_with("lora_") || entry.name.starts_with("lycoris_"))
      summary.format = "kohya";
    if (entry.name.find(".hada_") != std::string::npos) summary.kind = "LoHa";
    if (entry.name.find(".lokr_") != std::string::npos) summary.kind = "LoKr";
    if (entry.name.find(".vera_") != std::string::npos) summary.kind = "VeRA";
    if (entry.name.ends_with(".vera_lambda_d")) summary.ranks.insert(entry.numel());
    Module& module =
        modules[entry.name.substr(0, entry.name.size() - std::string(suffix->text).size())];
    switch (suffix->role) {
      case Role::kDown:
        module.down = &entry;
        break;
      case Role::kUp:
        module.up = &entry;
        break;
      case Role::kMagnitude:
        module.magnitude = &entry;
        break;
      case Role::kAlpha:
        module.alpha = &entry;
        break;
      case Role::kOther:
        module.other = true;
        break;
    }
  }
  const auto with_magnitude = std::ranges::count_if(
      modules, [](const auto& item) { return item.second.magnitude != nullptr; });
  if (with_magnitude > 0 && summary.kind == "LoRA") summary.kind = "DoRA";
  if (summary.kind == "LoRA" && others > 0 && summary.ranks.empty() &&
      std::ranges::none_of(modules, [](const auto& item) { return item.second.down; })) {
    summary.kind = "weight differences";
  }
  for (const auto& [name, module] : modules) {
    describe(file, name, module, summary);
    if (with_magnitude > 0 && !module.magnitude && !module.other) {
      summary.problems.push_back(name + ": no magnitude, though other modules have one");
    }
  }
  for (const std::string& name : not_finite(file)) {
    summary.problems.push_back(name + ": holds a NaN or an infinity");
  }
  return summary;
}

}  // namespace dorabooth
