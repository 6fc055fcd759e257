// Prefixes, the first text encoder (the same names in both layouts) and the tolerated spellings.
#include "src/model/single_file_keys.h"

#include <algorithm>

#include "src/model/key_cursor.h"
#include "src/model/single_file_key_parts.h"

namespace dorabooth {

const char* component_name(Component component) {
  switch (component) {
    case Component::kUNet:
      return "unet";
    case Component::kTextEncoder:
      return "text_encoder";
    case Component::kTextEncoder2:
      return "text_encoder_2";
    case Component::kVae:
      return "vae";
  }
  return "";
}

std::string_view single_file_prefix(Component component) {
  switch (component) {
    case Component::kUNet:
      return "model.diffusion_model.";
    case Component::kTextEncoder:
      return "conditioner.embedders.0.transformer.";
    case Component::kTextEncoder2:
      return "conditioner.embedders.1.model.";
    case Component::kVae:
      return "first_stage_model.";
  }
  return "";
}

namespace {

// transformers from 5.6 on writes CLIPTextModel without its outer name.
bool lacks_text_model(std::string_view name) {
  return name.starts_with("embeddings.") || name.starts_with("encoder.layers.") ||
         name.starts_with("final_layer_norm.");
}

std::optional<SingleFileKey> without_prefix_to_single(Component component, std::string_view name,
                                                      const KeyLayout& layout) {
  switch (component) {
    case Component::kUNet:
      if (const auto found = unet_to_single(name, layout)) return SingleFileKey{*found, {}};
      return std::nullopt;
    case Component::kTextEncoder:
      if (!name.starts_with("text_model.")) return std::nullopt;
      return SingleFileKey{std::string(name), {}};
    case Component::kTextEncoder2:
      return open_clip_to_single(name);
    case Component::kVae:
      return vae_to_single(name, layout);
  }
  return std::nullopt;
}

std::vector<SingleFileKey> without_prefix_to_diffusers(Component component, std::string_view name,
                                                       const KeyLayout& layout) {
  switch (component) {
    case Component::kUNet:
      if (const auto found = unet_to_diffusers(name, layout)) return {{*found, {}}};
      return {};
    case Component::kTextEncoder: {
      const std::string present = present_key(component, name);
      if (!present.starts_with("text_model.")) return {};
      return {{present, {}}};
    }
    case Component::kTextEncoder2:
      return open_clip_to_diffusers(name);
    case Component::kVae:
      if (const auto found = vae_to_diffusers(name, layout)) return {*found};
      return {};
  }
  return {};
}

}  // namespace

std::optional<SingleFileKey> to_single_file(Component component, std::string_view name,
                                            const KeyLayout& layout) {
  auto key = without_prefix_to_single(component, name, layout);
  if (key) key->name.insert(0, single_file_prefix(component));
  return key;
}

std::vector<ComponentKey> to_diffusers(std::string_view name, const KeyLayout& layout) {
  for (const Component component : kComponents) {
    KeyCursor key(name);
    if (!key.take(single_file_prefix(component))) continue;
    std::vector<ComponentKey> result;
    for (SingleFileKey& one : without_prefix_to_diffusers(component, key.rest(), layout)) {
      result.push_back({component, std::move(one.name), one.change});
    }
    return result;
  }
  return {};
}

bool is_ignored_key(std::string_view name) {
  static constexpr std::string_view kFronts[] = {
      "model_ema.", "denoiser.", "loss.",       "first_stage_model.loss.",
      "alphas_",    "betas",     "sqrt_",       "log_one_minus_",
      "posterior_", "logvar",    "lvlb_weights"};
  if (name.ends_with("embeddings.position_ids")) return true;
  if (name == "conditioner.embedders.1.model.logit_scale") return true;
  return std::ranges::any_of(kFronts,
                             [&](std::string_view front) { return name.starts_with(front); });
}

std::string present_key(Component component, std::string_view name) {
  if (component == Component::kTextEncoder || component == Component::kTextEncoder2) {
    return lacks_text_model(name) ? "text_model." + std::string(name) : std::string(name);
  }
  if (component != Component::kVae) return std::string(name);
  static constexpr KeyPair kOldNames[] = {
      {"to_q.", "query."}, {"to_k.", "key."}, {"to_v.", "value."}, {"to_out.0.", "proj_attn."}};
  for (const std::string_view side : {"encoder.", "decoder."}) {
    KeyCursor key(name);
    if (!key.take(side) || !key.take("mid_block.attentions.0.")) continue;
    if (const auto tail = exchange(kOldNames, KeyDirection::kToDiffusers, key.rest())) {
      return std::string(side) + "mid_block.attentions.0." + *tail;
    }
  }
  return std::string(name);
}

}  // namespace dorabooth
