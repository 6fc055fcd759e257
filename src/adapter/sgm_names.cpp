// input_blocks.n (n >= 1) is level (n-1) div 3, index (n-1) mod 3; output_blocks.n is level n div
// 3, index n mod 3 (3 = resnets per block + 1); sub-index 0 is the resnet, 1 the attention.
#include "src/adapter/sgm_names.h"

#include <charconv>
#include <utility>
#include <vector>

#include "src/base/error.h"

namespace dorabooth {

namespace {

using Renames = std::vector<std::pair<std::string, std::string>>;

// The replacement of the entry that `path` equals or starts with at a dot; the rest is kept.
std::optional<std::string> rename_head(const Renames& renames, const std::string& path) {
  for (const auto& [from, to] : renames) {
    if (path == from || path.starts_with(from + ".")) return to + path.substr(from.size());
  }
  return std::nullopt;
}

const Renames& outer_names() {
  static const Renames names = {{"conv_in", "input_blocks.0.0"},
                                {"conv_norm_out", "out.0"},
                                {"conv_out", "out.2"},
                                {"time_embedding.linear_1", "time_embed.0"},
                                {"time_embedding.linear_2", "time_embed.2"},
                                {"add_embedding.linear_1", "label_emb.0.0"},
                                {"add_embedding.linear_2", "label_emb.0.2"},
                                {"mid_block.attentions.0", "middle_block.1"}};
  return names;
}

std::optional<std::string> resnet_path(const std::string& block, const std::string& inside) {
  static const Renames names = {
      {"norm1", "in_layers.0"},  {"conv1", "in_layers.2"},  {"time_emb_proj", "emb_layers.1"},
      {"norm2", "out_layers.0"}, {"conv2", "out_layers.3"}, {"conv_shortcut", "skip_connection"}};
  const auto renamed = rename_head(names, inside);
  if (!renamed) return std::nullopt;
  return block + "." + *renamed;
}

// Cuts the text up to the next dot off the front of `path`.
std::string take_part(std::string& path) {
  const size_t dot = std::min(path.find('.'), path.size());
  std::string part = path.substr(0, dot);
  path.erase(0, std::min(dot + 1, path.size()));
  return part;
}

std::optional<int64_t> take_index(std::string& path) {
  const std::string part = take_part(path);
  int64_t index = 0;
  const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), index);
  const bool whole = error == std::errc() && end == part.data() + part.size();
  if (!whole || index < 0 || index > 1000) return std::nullopt;
  return index;
}

}  // namespace

std::optional<std::string> sgm_unet_path(const std::string& path, int64_t resnets_per_block) {
  if (const auto outer = rename_head(outer_names(), path)) return outer;
  std::string rest = path;
  const std::string side = take_part(rest);
  if (side == "mid_block") {
    const std::string kind = take_part(rest);
    const auto index = take_index(rest);
    if (kind != "resnets" || !index || *index > 1) return std::nullopt;
    return resnet_path(concat("middle_block.", 2 * *index), rest);
  }
  const bool down = side == "down_blocks";
  if (!down && side != "up_blocks") return std::nullopt;
  const auto level = take_index(rest);
  const std::string kind = take_part(rest);
  const auto index = take_index(rest);
  if (!level || !index || *index > resnets_per_block || rest.empty()) return std::nullopt;

  const int64_t first = *level * (resnets_per_block + 1) + (down ? 1 : 0);
  const std::string block = concat(down ? "input_blocks." : "output_blocks.", first + *index);
  if (kind == "attentions") return block + ".1." + rest;
  if (kind == "resnets") return resnet_path(block + ".0", rest);
  if (down && kind == "downsamplers" && rest.starts_with("conv")) {
    return concat("input_blocks.", first + resnets_per_block, ".0.op", rest.substr(4));
  }
  if (!down && kind == "upsamplers") {
    return concat("output_blocks.", first + resnets_per_block, ".2.", rest);
  }
  return std::nullopt;
}

}  // namespace dorabooth
