// The key grammar of adapter files: which module and which tensor a key of diffusers, PEFT, kohya,
// LyCORIS or ComfyUI names. Kohya's flattened names are decoded through a table made from the
// base's module names: the flattening is not injective, so underscores are never replaced.
// Torch-free.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace dorabooth {

// kComfyUi: "diffusion_model." before the UNet's SGM path, "text_encoders.clip_l.transformer." and
// "text_encoders.clip_g.transformer." before those of the text encoders.
enum class AdapterLayout { kDiffusers, kPeft, kKohya, kComfyUi };
const char* layout_name(AdapterLayout layout);  // "diffusers", "peft", "kohya", "comfyui"

// kMagnitudeVector and kDoraScale are both DoRA's m; the spelling matters where the shape leaves
// the axis open.
enum class AdapterRole {
  kA,
  kB,
  kMagnitudeVector,
  kDoraScale,
  kAlpha,
  // What is more than a pair of factors of a matrix: LoCon's middle factor in Tucker form, LoHa,
  // LoKr, whole differences of weight and bias, the same of norms, a weight in place of the base's.
  kMid,
  kHadaW1A,
  kHadaW1B,
  kHadaW2A,
  kHadaW2B,
  kHadaT1,
  kHadaT2,
  kLokrW1,
  kLokrW1A,
  kLokrW1B,
  kLokrW2,
  kLokrW2A,
  kLokrW2B,
  kLokrT2,
  kDifference,
  kBiasDifference,
  kNormDifference,
  kNormBiasDifference,
  kReplacement
};
// The ending that kohya's and LyCORIS' files give the role: "lora_down.weight", "hada_w1_a".
std::string kohya_ending(AdapterRole role);

struct AdapterKey {
  AdapterLayout layout = AdapterLayout::kDiffusers;
  std::string module;  // "unet.….to_q", "text_encoder.text_model.….q_proj"
  AdapterRole role = AdapterRole::kA;
};

class AdapterKeys {
 public:
  // `modules` are the full names of the base's layers that a file may name.
  explicit AdapterKeys(std::vector<std::string> modules);

  static AdapterLayout layout_of(const std::string& key);

  // The module and role of `key`. A PEFT key does not say whose module it names: `component` does
  // ("unet", "text_encoder", "text_encoder_2"). Throws for an unknown key, with the nearest known
  // one; the message starts with the key, so that a caller can put the file's name before it.
  AdapterKey parse(const std::string& key, const std::string& component = "") const;
  // As parse, but nothing where the key is unknown.
  std::optional<AdapterKey> find(const std::string& key, const std::string& component = "") const;

  // The component of each module, in the order of their first module.
  const std::vector<std::string>& components() const { return components_; }

 private:
  std::optional<std::string> find_module(const std::string& path) const;
  [[noreturn]] void refuse(const std::string& key, const std::string& component) const;

  std::vector<std::string> modules_;
  std::vector<std::string> components_;
  std::unordered_map<std::string, size_t> by_name_;
  std::unordered_map<std::string, size_t> by_kohya_name_;
  std::unordered_map<std::string, size_t> by_comfyui_name_;
};

// The component's name in front of the first dot, and the path behind it.
std::string component_of(const std::string& module);
std::string path_in_component(const std::string& module);

// "lora_unet_input_blocks_4_1_…_to_q": the name kohya's tools give an SDXL module; the SGM path
// where the module has one, or the diffusers path, "lora_unet_down_blocks_1_…_to_q".
std::string kohya_module_name(const std::string& module, bool sgm = true);

}  // namespace dorabooth
