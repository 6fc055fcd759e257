// Names of the second text encoder: OpenCLIP's in the single file, transformers' in the folder.
// OpenCLIP stacks the q, k and v projections by rows and holds the transposed text projection.
#include <optional>
#include <string>

#include "src/model/key_cursor.h"
#include "src/model/single_file_key_parts.h"

namespace dorabooth {

namespace {

constexpr KeyPair kEnds[] = {
    {"text_model.embeddings.token_embedding.weight", "token_embedding.weight"},
    {"text_model.embeddings.position_embedding.weight", "positional_embedding"},
    {"text_model.final_layer_norm.", "ln_final."},
};

constexpr KeyPair kLayer[] = {
    {"layer_norm1.", "ln_1."},
    {"layer_norm2.", "ln_2."},
    {"mlp.fc1.", "mlp.c_fc."},
    {"mlp.fc2.", "mlp.c_proj."},
    {"self_attn.out_proj.", "attn.out_proj."},
};

constexpr std::string_view kFused[] = {"self_attn.q_proj.", "self_attn.k_proj.",
                                       "self_attn.v_proj."};
constexpr std::string_view kLayers = "text_model.encoder.layers.";
constexpr std::string_view kBlocks = "transformer.resblocks.";
constexpr int64_t kMaxLayers = 1000;

}  // namespace

std::optional<SingleFileKey> open_clip_to_single(std::string_view name) {
  if (name == "text_projection.weight") {
    return SingleFileKey{"text_projection", {KeyChange::kTranspose, 0}};
  }
  if (const auto end = exchange(kEnds, KeyDirection::kToSingle, name)) {
    return SingleFileKey{*end, {}};
  }
  KeyCursor key(name);
  int64_t layer = 0;
  if (!key.take(kLayers) || !key.number(kMaxLayers, layer)) return std::nullopt;
  const std::string front = std::string(kBlocks) + std::to_string(layer) + ".";
  if (const auto tail = exchange(kLayer, KeyDirection::kToSingle, key.rest())) {
    return SingleFileKey{front + *tail, {}};
  }
  for (int part = 0; part < 3; ++part) {
    if (!key.take(kFused[part])) continue;
    if (key.rest() != "weight" && key.rest() != "bias") return std::nullopt;
    return SingleFileKey{front + "attn.in_proj_" + std::string(key.rest()),
                         {KeyChange::kRows, part}};
  }
  return std::nullopt;
}

std::vector<SingleFileKey> open_clip_to_diffusers(std::string_view name) {
  if (name == "text_projection") {
    return {{"text_projection.weight", {KeyChange::kTranspose, 0}}};
  }
  if (name == "text_projection.weight") return {{"text_projection.weight", {}}};
  if (const auto end = exchange(kEnds, KeyDirection::kToDiffusers, name)) return {{*end, {}}};
  KeyCursor key(name);
  int64_t layer = 0;
  if (!key.take(kBlocks) || !key.number(kMaxLayers, layer)) return {};
  const std::string front = std::string(kLayers) + std::to_string(layer) + ".";
  if (const auto tail = exchange(kLayer, KeyDirection::kToDiffusers, key.rest())) {
    return {{front + *tail, {}}};
  }
  if (!key.take("attn.in_proj_") || (key.rest() != "weight" && key.rest() != "bias")) return {};
  std::vector<SingleFileKey> parts;
  for (int part = 0; part < 3; ++part) {
    parts.push_back(
        {front + std::string(kFused[part]) + std::string(key.rest()), {KeyChange::kRows, part}});
  }
  return parts;
}

}  // namespace dorabooth
