// Token embeddings that OneTrainer and LyCORIS bundle with an adapter: "bundle_emb.<s0>.clip_l".
// Torch-free.
#pragma once

#include <optional>
#include <string>

namespace dorabooth {

struct BundledKey {
  std::string placeholder;  // "<s0>", what stands for it in prompts; may hold dots
  std::string tensor;       // "clip_l", "clip_g"
};

// Nothing for a key of another kind.
std::optional<BundledKey> parse_bundled_key(const std::string& key);

}  // namespace dorabooth
