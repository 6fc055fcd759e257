// VAE names: the SGM layout numbers the decoder's levels from the image side, diffusers from the
// latent side, and the attention's four projections are 1x1 convolutions there.
#include <optional>
#include <string>

#include "src/model/key_cursor.h"
#include "src/model/single_file_key_parts.h"

namespace dorabooth {

namespace {

constexpr KeyPair kSame[] = {
    {"quant_conv.", "quant_conv."},
    {"post_quant_conv.", "post_quant_conv."},
};

// Inside "encoder." and "decoder.".
constexpr KeyPair kVaeEnds[] = {
    {"conv_in.", "conv_in."},
    {"conv_out.", "conv_out."},
    {"conv_norm_out.", "norm_out."},
    {"mid_block.attentions.0.group_norm.", "mid.attn_1.norm."},
};

constexpr KeyPair kProjections[] = {
    {"mid_block.attentions.0.to_q.", "mid.attn_1.q."},
    {"mid_block.attentions.0.to_k.", "mid.attn_1.k."},
    {"mid_block.attentions.0.to_v.", "mid.attn_1.v."},
    {"mid_block.attentions.0.to_out.0.", "mid.attn_1.proj_out."},
};

constexpr KeyPair kVaeResnet[] = {
    {"norm1.", "norm1."},
    {"conv1.", "conv1."},
    {"norm2.", "norm2."},
    {"conv2.", "conv2."},
    {"conv_shortcut.", "nin_shortcut."},
};

constexpr int64_t kMaxResnets = 100;  // of one level; the config bounds it, the names do not

std::optional<std::string> joined_end(const std::string& front, std::string_view tail,
                                      KeyDirection direction) {
  auto end = exchange(kVaeResnet, direction, tail);
  if (end) end->insert(0, front);
  return end;
}

struct SideWords {
  std::string_view diffusers_blocks, diffusers_sampler, single_blocks, single_sampler;
};
constexpr SideWords kEncoder = {"down_blocks.", "downsamplers.0.conv.", "down.",
                                "downsample.conv."};
constexpr SideWords kDecoder = {"up_blocks.", "upsamplers.0.conv.", "up.", "upsample.conv."};

std::optional<std::string> side_to_single(std::string_view name, const SideWords& words,
                                          bool reversed, int64_t levels) {
  KeyCursor key(name);
  int64_t level = 0;
  int64_t index = 0;
  if (key.take("mid_block.resnets.") && key.number(2, index)) {
    return joined_end("mid.block_" + std::to_string(index + 1) + ".", key.rest(),
                      KeyDirection::kToSingle);
  }
  if (!key.take(words.diffusers_blocks) || !key.number(levels, level)) return std::nullopt;
  if (reversed) level = levels - 1 - level;
  const std::string front = std::string(words.single_blocks) + std::to_string(level) + ".";
  if (key.take("resnets.") && key.number(kMaxResnets, index)) {
    return joined_end(front + "block." + std::to_string(index) + ".", key.rest(),
                      KeyDirection::kToSingle);
  }
  if (!key.take(words.diffusers_sampler)) return std::nullopt;
  return front + std::string(words.single_sampler) + std::string(key.rest());
}

std::optional<std::string> side_to_diffusers(std::string_view name, const SideWords& words,
                                             bool reversed, int64_t levels) {
  KeyCursor key(name);
  int64_t level = 0;
  int64_t index = 0;
  if (key.take("mid.block_1.")) {
    return joined_end("mid_block.resnets.0.", key.rest(), KeyDirection::kToDiffusers);
  }
  if (key.take("mid.block_2.")) {
    return joined_end("mid_block.resnets.1.", key.rest(), KeyDirection::kToDiffusers);
  }
  if (!key.take(words.single_blocks) || !key.number(levels, level)) return std::nullopt;
  if (reversed) level = levels - 1 - level;
  const std::string front = std::string(words.diffusers_blocks) + std::to_string(level) + ".";
  if (key.take("block.") && key.number(kMaxResnets, index)) {
    return joined_end(front + "resnets." + std::to_string(index) + ".", key.rest(),
                      KeyDirection::kToDiffusers);
  }
  if (!key.take(words.single_sampler)) return std::nullopt;
  return front + std::string(words.diffusers_sampler) + std::string(key.rest());
}

std::optional<SingleFileKey> converted(std::string_view name, const KeyLayout& layout,
                                       KeyDirection direction) {
  if (auto same = exchange(kSame, direction, name)) return SingleFileKey{*same, {}};
  KeyCursor key(name);
  const bool encoder = key.take("encoder.");
  if (!encoder && !key.take("decoder.")) return std::nullopt;
  const std::string side = encoder ? "encoder." : "decoder.";
  if (const auto end = exchange(kVaeEnds, direction, key.rest())) {
    return SingleFileKey{side + *end, {}};
  }
  if (const auto projection = exchange(kProjections, direction, key.rest())) {
    const bool weight = name.ends_with(".weight");
    return SingleFileKey{side + *projection, {weight ? KeyChange::kReshape : KeyChange::kNone, 0}};
  }
  const auto block = direction == KeyDirection::kToSingle ? side_to_single : side_to_diffusers;
  const auto found =
      block(key.rest(), encoder ? kEncoder : kDecoder, /*reversed=*/!encoder, layout.vae_levels);
  if (!found) return std::nullopt;
  return SingleFileKey{side + *found, {}};
}

}  // namespace

std::optional<SingleFileKey> vae_to_single(std::string_view name, const KeyLayout& layout) {
  return converted(name, layout, KeyDirection::kToSingle);
}

std::optional<SingleFileKey> vae_to_diffusers(std::string_view name, const KeyLayout& layout) {
  return converted(name, layout, KeyDirection::kToDiffusers);
}

}  // namespace dorabooth
