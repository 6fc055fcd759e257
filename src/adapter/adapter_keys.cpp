// Spellings: diffusers' loaders (lora_base, state_dict_utils), PEFT's save_and_load, kohya's
// networks/lora and LyCORIS' suffixes.
#include "src/adapter/adapter_keys.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "src/adapter/sgm_names.h"
#include "src/base/error.h"
#include "src/tensorfile/header.h"

namespace dorabooth {

namespace {

constexpr std::string_view kPeftPrefix = "base_model.model.";
constexpr std::string_view kComfyUiPrefix = "diffusion_model.";
// ComfyUI's own nodes that save LoRAs write these before the text encoders' paths.
constexpr std::string_view kComfyUiTextPrefix = "text_encoders.";
constexpr std::string_view kComfyUiFirstText = "text_encoders.clip_l.transformer.";
constexpr std::string_view kComfyUiSecondText = "text_encoders.clip_g.transformer.";
// In the table of flattened names: two modules share this one.
constexpr size_t kAmbiguous = static_cast<size_t>(-1);

struct Suffix {
  std::string_view text;
  AdapterRole role;
};

// "_lora.…" is diffusers' oldest spelling: "….attn1.processor.to_q_lora.down.weight";
// "weight_m_wdecomp" that of DoRA's authors. Of a role's endings kohya's stands last.
constexpr std::array<Suffix, 35> kSuffixes = {
    {{".lora_A.weight", AdapterRole::kA},
     {".lora_B.weight", AdapterRole::kB},
     {".lora.down.weight", AdapterRole::kA},
     {".lora.up.weight", AdapterRole::kB},
     {".lora_linear_layer.down.weight", AdapterRole::kA},
     {".lora_linear_layer.up.weight", AdapterRole::kB},
     {"_lora.down.weight", AdapterRole::kA},
     {"_lora.up.weight", AdapterRole::kB},
     {".lora_down.weight", AdapterRole::kA},
     {".lora_up.weight", AdapterRole::kB},
     {".lora_magnitude_vector", AdapterRole::kMagnitudeVector},
     {".lora_magnitude_vector.weight", AdapterRole::kMagnitudeVector},
     {".magnitude", AdapterRole::kMagnitudeVector},
     {".weight_m_wdecomp.weight", AdapterRole::kMagnitudeVector},
     {".dora_scale", AdapterRole::kDoraScale},
     {".alpha", AdapterRole::kAlpha},
     {".lora_mid.weight", AdapterRole::kMid},
     {".hada_w1_a", AdapterRole::kHadaW1A},
     {".hada_w1_b", AdapterRole::kHadaW1B},
     {".hada_w2_a", AdapterRole::kHadaW2A},
     {".hada_w2_b", AdapterRole::kHadaW2B},
     {".hada_t1", AdapterRole::kHadaT1},
     {".hada_t2", AdapterRole::kHadaT2},
     {".lokr_w1", AdapterRole::kLokrW1},
     {".lokr_w1_a", AdapterRole::kLokrW1A},
     {".lokr_w1_b", AdapterRole::kLokrW1B},
     {".lokr_w2", AdapterRole::kLokrW2},
     {".lokr_w2_a", AdapterRole::kLokrW2A},
     {".lokr_w2_b", AdapterRole::kLokrW2B},
     {".lokr_t2", AdapterRole::kLokrT2},
     {".diff", AdapterRole::kDifference},
     {".diff_b", AdapterRole::kBiasDifference},
     {".w_norm", AdapterRole::kNormDifference},
     {".b_norm", AdapterRole::kNormBiasDifference},
     {".set_weight", AdapterRole::kReplacement}}};

const Suffix* suffix_of(const std::string& key) {
  for (const Suffix& suffix : kSuffixes) {
    if (key.size() > suffix.text.size() && key.ends_with(suffix.text)) return &suffix;
  }
  return nullptr;
}

// What the key belongs to when it is none of ours; "" where that is not known.
std::string foreign_kind(const std::string& key) {
  struct Foreign {
    std::string_view text;
    std::string_view kind;
  };
  constexpr std::array<Foreign, 7> kPrefixes = {
      {{"transformer.", "an adapter of a transformer model such as SD 3 or Flux"},
       {"lora_transformer_", "an adapter of a transformer model such as SD 3 or Flux"},
       {"lora_unet_double_blocks", "a Flux adapter"},
       {"lora_unet_single_blocks", "a Flux adapter"},
       {"lora_unet_joint_blocks", "an SD 3 adapter"},
       {"lora_te3_", "an SD 3 adapter"},
       {"lora_te_", "an SD 1 or SD 2 adapter"}}};
  constexpr std::array<Foreign, 8> kAlgebras = {{{".oft_", "OFT"},
                                                 {".boft_", "BOFT"},
                                                 {".a1.weight", "GLoRA"},
                                                 {".a2.weight", "GLoRA"},
                                                 {".b1.weight", "GLoRA"},
                                                 {".b2.weight", "GLoRA"},
                                                 {".on_input", "IA3"},
                                                 {".reshape_weight", "a weight of another shape"}}};
  for (const Foreign& foreign : kPrefixes) {
    if (key.starts_with(foreign.text)) return std::string(foreign.kind);
  }
  for (const Foreign& foreign : kAlgebras) {
    if (key.find(foreign.text) != std::string::npos) {
      return concat(foreign.kind, ", which is not read");
    }
  }
  return "";
}

std::string flattened(std::string name) {
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}

std::string without_text_model(const std::string& path) {
  constexpr std::string_view kHead = "text_model.";
  return path.starts_with(kHead) ? path.substr(kHead.size()) : path;
}

// Every flattened name that files use for a module, the one to write first: SGM and diffusers
// paths, LyCORIS' own prefix, the text encoder's path with and without its outermost class.
std::vector<std::string> kohya_names(const std::string& module) {
  const std::string component = component_of(module);
  const std::string path = path_in_component(module);
  if (component == "unet") {
    std::vector<std::string> names;
    if (const auto sgm = sgm_unet_path(path)) names.push_back("lora_unet_" + flattened(*sgm));
    names.push_back("lora_unet_" + flattened(path));
    names.push_back("lycoris_" + flattened(path));
    return names;
  }
  if (component != "text_encoder" && component != "text_encoder_2") return {};
  const std::string prefix = component == "text_encoder" ? "lora_te1_" : "lora_te2_";
  return {prefix + flattened(path), prefix + flattened(without_text_model(path))};
}

// "diffusion_model." and the SGM path; of the text encoders the path alone.
std::optional<std::string> comfyui_name(const std::string& module) {
  const std::string component = component_of(module);
  const std::string path = path_in_component(module);
  if (component == "text_encoder") return std::string(kComfyUiFirstText) + path;
  if (component == "text_encoder_2") return std::string(kComfyUiSecondText) + path;
  if (component != "unet") return std::nullopt;
  const auto sgm = sgm_unet_path(path);
  if (!sgm) return std::nullopt;
  return std::string(kComfyUiPrefix) + *sgm;
}

std::vector<std::string> spellings(const std::string& module, AdapterLayout layout) {
  if (layout == AdapterLayout::kKohya) return kohya_names(module);
  if (layout == AdapterLayout::kComfyUi) {
    const auto name = comfyui_name(module);
    return name ? std::vector<std::string>{*name} : std::vector<std::string>();
  }
  if (layout == AdapterLayout::kPeft) return {std::string(kPeftPrefix) + path_in_component(module)};
  return {module};
}

std::string default_suffix(AdapterLayout layout) {
  return layout == AdapterLayout::kKohya ? ".lora_down.weight" : ".lora_A.weight";
}

}  // namespace

const char* layout_name(AdapterLayout layout) {
  switch (layout) {
    case AdapterLayout::kDiffusers:
      return "diffusers";
    case AdapterLayout::kPeft:
      return "peft";
    case AdapterLayout::kComfyUi:
      return "comfyui";
    default:
      return "kohya";
  }
}

std::string kohya_ending(AdapterRole role) {
  std::string ending;
  for (const Suffix& suffix : kSuffixes) {
    if (suffix.role == role) ending = suffix.text.substr(1);
  }
  return ending;
}

std::string component_of(const std::string& module) { return module.substr(0, module.find('.')); }

std::string path_in_component(const std::string& module) {
  const size_t dot = module.find('.');
  return dot == std::string::npos ? "" : module.substr(dot + 1);
}

std::string kohya_module_name(const std::string& module, bool sgm) {
  const std::vector<std::string> names = kohya_names(module);
  if (names.empty()) fail("kohya's format has no name for ", module);
  const std::string path = path_in_component(module);
  const bool has_sgm = component_of(module) == "unet" && sgm_unet_path(path);
  return names[has_sgm && !sgm ? 1 : 0];
}

AdapterKeys::AdapterKeys(std::vector<std::string> modules) : modules_(std::move(modules)) {
  for (size_t i = 0; i < modules_.size(); ++i) {
    by_name_.emplace(modules_[i], i);
    for (const std::string& name : kohya_names(modules_[i])) {
      const auto [place, is_new] = by_kohya_name_.emplace(name, i);
      if (!is_new && place->second != i) place->second = kAmbiguous;
    }
    if (const auto name = comfyui_name(modules_[i])) by_comfyui_name_.emplace(*name, i);
    const std::string component = component_of(modules_[i]);
    if (std::find(components_.begin(), components_.end(), component) == components_.end()) {
      components_.push_back(component);
    }
  }
}

AdapterLayout AdapterKeys::layout_of(const std::string& key) {
  if (key.starts_with(kPeftPrefix)) return AdapterLayout::kPeft;
  if (key.starts_with(kComfyUiPrefix) || key.starts_with(kComfyUiTextPrefix)) {
    return AdapterLayout::kComfyUi;
  }
  for (const char* prefix : {"lora_unet_", "lora_te1_", "lora_te2_", "lycoris_"}) {
    if (key.starts_with(prefix)) return AdapterLayout::kKohya;
  }
  return AdapterLayout::kDiffusers;
}

// A dotted name in any age's spelling: "….processor.to_q", "….to_out" for "….to_out.0", "….to_q" of
// a text encoder for "….q_proj", the text encoder's path without "text_model.".
std::optional<std::string> AdapterKeys::find_module(const std::string& path) const {
  std::string name = path;
  constexpr std::string_view kProcessor = ".processor.";
  if (const size_t at = name.find(kProcessor); at != std::string::npos) {
    name.replace(at, kProcessor.size(), ".");
    if (!name.starts_with("unet.") && !name.starts_with("text_encoder")) name = "unet." + name;
  }
  if (by_name_.contains(name)) return name;
  const std::string component = component_of(name);
  if (component == "unet") {
    if (name.ends_with(".to_out") && by_name_.contains(name + ".0")) return name + ".0";
    return std::nullopt;
  }
  for (const auto& [old, now] : {std::pair{".to_q", ".q_proj"},
                                 {".to_k", ".k_proj"},
                                 {".to_v", ".v_proj"},
                                 {".to_out", ".out_proj"}}) {
    if (!name.ends_with(old)) continue;
    name.replace(name.size() - std::string_view(old).size(), std::string::npos, now);
    break;
  }
  if (by_name_.contains(name)) return name;
  name = component + ".text_model." + path_in_component(name);
  if (by_name_.contains(name)) return name;
  return std::nullopt;
}

std::optional<AdapterKey> AdapterKeys::find(const std::string& key,
                                            const std::string& component) const {
  const Suffix* suffix = suffix_of(key);
  if (!suffix) return std::nullopt;
  const AdapterLayout layout = layout_of(key);
  std::string stem = key.substr(0, key.size() - suffix->text.size());
  std::optional<std::string> module;
  if (layout == AdapterLayout::kKohya) {
    // diffusers' own converter leaves dots in the names of magnitudes.
    const auto found = by_kohya_name_.find(flattened(stem));
    if (found != by_kohya_name_.end() && found->second == kAmbiguous) {
      fail(quoted_name(key), " stands for two modules of this base");
    }
    if (found != by_kohya_name_.end()) module = modules_[found->second];
  } else if (layout == AdapterLayout::kComfyUi) {
    const auto found = by_comfyui_name_.find(stem);
    if (found != by_comfyui_name_.end()) module = modules_[found->second];
  } else if (layout == AdapterLayout::kPeft) {
    module = find_module(component + "." + stem.substr(kPeftPrefix.size()));
  } else {
    module = find_module(stem);
  }
  if (!module) return std::nullopt;
  return AdapterKey{layout, *module, suffix->role};
}

AdapterKey AdapterKeys::parse(const std::string& key, const std::string& component) const {
  if (const auto found = find(key, component)) return *found;
  refuse(key, component);
}

void AdapterKeys::refuse(const std::string& key, const std::string& component) const {
  const std::string foreign = foreign_kind(key);
  if (!foreign.empty()) fail(quoted_name(key), " belongs to ", foreign);
  std::string hint;
  constexpr size_t kLongestCompared = 400;
  if (key.size() <= kLongestCompared) {
    const AdapterLayout layout = layout_of(key);
    const Suffix* suffix = suffix_of(key);
    const std::string ending = suffix ? std::string(suffix->text) : default_suffix(layout);
    std::vector<std::string> candidates;
    for (const std::string& module : modules_) {
      if (layout == AdapterLayout::kPeft && component_of(module) != component) continue;
      for (const std::string& name : spellings(module, layout)) candidates.push_back(name + ending);
    }
    hint = did_you_mean(key, candidates);
  }
  fail(quoted_name(key), " is no adapter key of this base", hint);
}

}  // namespace dorabooth
