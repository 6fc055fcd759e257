// The key grammar between the two layouts of an SDXL base: diffusers' folders and the original
// single file (SGM naming, with OpenCLIP's for the second text encoder). Both directions, for any
// number of levels and layers; torch-free.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/model/component.h"

namespace dorabooth {

// The numbers that the names depend on.
struct KeyLayout {
  int64_t unet_layers_per_block = 2;
  std::vector<bool> unet_attention = {false, true, true};  // of each down block
  int64_t vae_levels = 4;

  int64_t unet_levels() const { return static_cast<int64_t>(unet_attention.size()); }
};

// How a diffusers tensor lies in its single-file entry.
struct KeyChange {
  enum Kind {
    kNone,
    kTranspose,  // the entry holds the transpose
    kReshape,    // [C, C] here, [C, C, 1, 1] in the entry
    kRows        // rows part/3 of the entry, which stacks q; k; v
  };
  Kind kind = kNone;
  int part = 0;

  bool operator==(const KeyChange&) const = default;
};

struct SingleFileKey {
  std::string name;
  KeyChange change;
};

struct ComponentKey {
  Component component = Component::kUNet;
  std::string name;
  KeyChange change;
};

// The prefix of a component in a single file ("model.diffusion_model.").
std::string_view single_file_prefix(Component component);

// Where a diffusers tensor lies in a single file; nothing for a name that the grammar lacks.
std::optional<SingleFileKey> to_single_file(Component component, std::string_view name,
                                            const KeyLayout& layout);

// The diffusers tensors in a single-file entry: one, or three for a fused q; k; v; none for a name
// that the grammar lacks. The rare spellings of readers' tolerance are understood too: a first text
// encoder without "text_model.", `text_projection.weight`, an upsampler at sub-index 1 or 2.
std::vector<ComponentKey> to_diffusers(std::string_view name, const KeyLayout& layout);

// Single-file entries that belong to no tensor of a model: position ids, the logit scale, schedule
// tables, and whole side models (EMA, loss).
bool is_ignored_key(std::string_view name);

// A diffusers-folder key in its present spelling: old VAE attention names (query, key, value,
// proj_attn) and text encoders without "text_model." are renamed, all others stay.
std::string present_key(Component component, std::string_view name);

}  // namespace dorabooth
