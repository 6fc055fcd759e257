// The key grammar of adapter files: which module and which tensor a key of diffusers, PEFT or kohya
// names. Kohya's flattened names are decoded through a table made from the base's module names: the
// flattening is not injective, so underscores are never replaced. Torch-free.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace dorabooth {

enum class AdapterLayout { kDiffusers, kPeft, kKohya };
const char* layout_name(AdapterLayout layout);  // "diffusers", "peft", "kohya"

// Both of the last but one are DoRA's m; the spelling matters where the shape leaves the axis open.
enum class AdapterRole { kA, kB, kMagnitudeVector, kDoraScale, kAlpha };

struct AdapterKey {
  AdapterLayout layout = AdapterLayout::kDiffusers;
  std::string module;  // "unet.….to_q", "text_encoder.text_model.….q_proj"
  AdapterRole role = AdapterRole::kA;
};

class AdapterKeys {
 public:
  // `modules` are the full names of the base's adaptable layers.
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
};

// The component's name in front of the first dot, and the path behind it.
std::string component_of(const std::string& module);
std::string path_in_component(const std::string& module);

// "lora_unet_input_blocks_4_1_…_to_q": the name kohya's tools give an SDXL module; the SGM path
// where the module has one, or the diffusers path, "lora_unet_down_blocks_1_…_to_q".
std::string kohya_module_name(const std::string& module, bool sgm = true);

}  // namespace dorabooth
