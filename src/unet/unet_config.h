// The numbers of a UNet in SDXL's form, read from diffusers' unet/config.json (keys of
// UNet2DConditionModel). What this program does not compute is an error that names it.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "src/config/field_list.h"

namespace dorabooth {

struct UNetConfig {
  int64_t in_channels = 4;
  int64_t out_channels = 4;
  int64_t sample_size = 128;
  std::vector<int64_t> block_out_channels = {320, 640, 1280};
  int64_t layers_per_block = 2;
  std::vector<std::string> down_block_types = {"DownBlock2D", "CrossAttnDownBlock2D",
                                               "CrossAttnDownBlock2D"};
  std::string mid_block_type = "UNetMidBlock2DCrossAttn";
  std::vector<std::string> up_block_types = {"CrossAttnUpBlock2D", "CrossAttnUpBlock2D",
                                             "UpBlock2D"};
  // Despite its name the number of heads, one entry a level (JSON: or one integer for all).
  std::vector<int64_t> attention_head_dim = {5, 10, 20};
  std::vector<int64_t> transformer_layers_per_block = {1, 2, 10};
  int64_t cross_attention_dim = 2048;
  int64_t norm_num_groups = 32;
  double norm_eps = 1e-5;
  std::optional<std::string> addition_embed_type;
  std::optional<int64_t> addition_time_embed_dim;
  std::optional<int64_t> projection_class_embeddings_input_dim;
  bool use_linear_projection = false;
  bool flip_sin_to_cos = true;

  size_t levels() const { return block_out_channels.size(); }
  int64_t time_embed_dim() const { return 4 * block_out_channels[0]; }
  // Width of the pooled text embedding that goes in with the size and crop numbers.
  int64_t pooled_features() const {
    return *projection_class_embeddings_input_dim - kTimeIds * *addition_time_embed_dim;
  }
  static constexpr int64_t kTimeIds = 6;

  // Checks the whole; `where` (the file) opens every message.
  static UNetConfig from_json(const nlohmann::json& json, const std::string& where);
};

FieldList<UNetConfig> unet_config_fields();

}  // namespace dorabooth
