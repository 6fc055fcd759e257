// UNet names: input_blocks, middle_block and output_blocks of the SGM layout are diffusers'
// down_blocks, mid_block and up_blocks, numbered through the levels.
#include <optional>
#include <string>

#include "src/model/key_cursor.h"
#include "src/model/single_file_key_parts.h"

namespace dorabooth {

namespace {

constexpr KeyPair kEnds[] = {
    {"conv_in.", "input_blocks.0.0."},
    {"time_embedding.linear_1.", "time_embed.0."},
    {"time_embedding.linear_2.", "time_embed.2."},
    {"add_embedding.linear_1.", "label_emb.0.0."},
    {"add_embedding.linear_2.", "label_emb.0.2."},
    {"conv_norm_out.", "out.0."},
    {"conv_out.", "out.2."},
    {"mid_block.attentions.0.", "middle_block.1."},
};

constexpr KeyPair kResnet[] = {
    {"norm1.", "in_layers.0."},          {"conv1.", "in_layers.2."},
    {"time_emb_proj.", "emb_layers.1."}, {"norm2.", "out_layers.0."},
    {"conv2.", "out_layers.3."},         {"conv_shortcut.", "skip_connection."},
};

std::optional<std::string> joined(const std::string& front, std::optional<std::string> tail) {
  if (!tail) return std::nullopt;
  return front + *tail;
}

std::optional<std::string> resnet(const std::string& front, KeyDirection direction,
                                  std::string_view tail) {
  return joined(front, exchange(kResnet, direction, tail));
}

std::string text(int64_t number) { return std::to_string(number); }

// Attention of an up block, counted from the deepest level.
bool up_attention(const KeyLayout& layout, int64_t up_level) {
  return layout.unet_attention[static_cast<size_t>(layout.unet_levels() - 1 - up_level)];
}

std::optional<std::string> block_to_single(std::string_view name, const KeyLayout& layout) {
  const int64_t stride = layout.unet_layers_per_block + 1;
  KeyCursor key(name);
  int64_t level = 0;
  int64_t index = 0;
  if (key.take("down_blocks.") && key.number(layout.unet_levels(), level)) {
    const std::string block = "input_blocks.";
    const int64_t first = 1 + level * stride;
    if (key.take("resnets.") && key.number(stride - 1, index)) {
      return resnet(block + text(first + index) + ".0.", KeyDirection::kToSingle, key.rest());
    }
    if (key.take("attentions.") && key.number(stride - 1, index)) {
      return block + text(first + index) + ".1." + std::string(key.rest());
    }
    if (key.take("downsamplers.0.conv.")) {
      return block + text(first + stride - 1) + ".0.op." + std::string(key.rest());
    }
    return std::nullopt;
  }
  if (key.take("mid_block.resnets.") && key.number(2, index)) {
    return resnet("middle_block." + text(2 * index) + ".", KeyDirection::kToSingle, key.rest());
  }
  if (key.take("up_blocks.") && key.number(layout.unet_levels(), level)) {
    const std::string block = "output_blocks.";
    const int64_t first = level * stride;
    if (key.take("resnets.") && key.number(stride, index)) {
      return resnet(block + text(first + index) + ".0.", KeyDirection::kToSingle, key.rest());
    }
    if (key.take("attentions.") && key.number(stride, index)) {
      return block + text(first + index) + ".1." + std::string(key.rest());
    }
    if (key.take("upsamplers.0.conv.")) {
      return block + text(first + stride - 1) + (up_attention(layout, level) ? ".2" : ".1") +
             ".conv." + std::string(key.rest());
    }
  }
  return std::nullopt;
}

std::optional<std::string> block_to_diffusers(std::string_view name, const KeyLayout& layout) {
  const int64_t stride = layout.unet_layers_per_block + 1;
  KeyCursor key(name);
  int64_t index = 0;
  if (key.take("input_blocks.") && key.number(layout.unet_levels() * stride, index) && index > 0) {
    const std::string front = "down_blocks." + text((index - 1) / stride) + ".";
    const int64_t layer = (index - 1) % stride;
    if (layer == stride - 1) {
      if (!key.take("0.op.")) return std::nullopt;
      return front + "downsamplers.0.conv." + std::string(key.rest());
    }
    if (key.take("0.")) {
      return resnet(front + "resnets." + text(layer) + ".", KeyDirection::kToDiffusers, key.rest());
    }
    if (!key.take("1.")) return std::nullopt;
    return front + "attentions." + text(layer) + "." + std::string(key.rest());
  }
  if (key.take("middle_block.")) {
    if (key.take("0.")) {
      return resnet("mid_block.resnets.0.", KeyDirection::kToDiffusers, key.rest());
    }
    if (!key.take("2.")) return std::nullopt;
    return resnet("mid_block.resnets.1.", KeyDirection::kToDiffusers, key.rest());
  }
  if (key.take("output_blocks.") && key.number(layout.unet_levels() * stride, index)) {
    const std::string front = "up_blocks." + text(index / stride) + ".";
    const int64_t layer = index % stride;
    if (key.take("0.")) {
      return resnet(front + "resnets." + text(layer) + ".", KeyDirection::kToDiffusers, key.rest());
    }
    // Before the attention: without one, the upsampler has its sub-index.
    if (layer == stride - 1 && (key.take("1.conv.") || key.take("2.conv."))) {
      return front + "upsamplers.0.conv." + std::string(key.rest());
    }
    if (!key.take("1.")) return std::nullopt;
    return front + "attentions." + text(layer) + "." + std::string(key.rest());
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> unet_to_single(std::string_view name, const KeyLayout& layout) {
  if (auto found = exchange(kEnds, KeyDirection::kToSingle, name)) return found;
  return block_to_single(name, layout);
}

std::optional<std::string> unet_to_diffusers(std::string_view name, const KeyLayout& layout) {
  if (auto found = exchange(kEnds, KeyDirection::kToDiffusers, name)) return found;
  return block_to_diffusers(name, layout);
}

}  // namespace dorabooth
