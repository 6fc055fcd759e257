// Reads and checks unet/config.json.
#include "src/unet/unet_config.h"

#include <nlohmann/json.hpp>

#include "src/base/error.h"

namespace dorabooth {

using nlohmann::json;

FieldList<UNetConfig> unet_config_fields() {
  FieldList<UNetConfig> list;
  list.add("in_channels", &UNetConfig::in_channels, "channels of the latents").at_least(1);
  list.add("out_channels", &UNetConfig::out_channels, "channels of the prediction").at_least(1);
  list.add("sample_size", &UNetConfig::sample_size, "default height and width of the latents")
      .at_least(1);
  list.add("block_out_channels", &UNetConfig::block_out_channels, "channels of each level")
      .at_least(1);
  list.add("layers_per_block", &UNetConfig::layers_per_block, "resnets of a down block")
      .at_least(1);
  list.add("down_block_types", &UNetConfig::down_block_types, "kind of each level going down")
      .one_of({"DownBlock2D", "CrossAttnDownBlock2D"});
  list.add("mid_block_type", &UNetConfig::mid_block_type, "kind of the middle block")
      .one_of({"UNetMidBlock2DCrossAttn"});
  list.add("up_block_types", &UNetConfig::up_block_types, "kind of each level going up")
      .one_of({"UpBlock2D", "CrossAttnUpBlock2D"});
  list.add("attention_head_dim", &UNetConfig::attention_head_dim,
           "number of attention heads of each level")
      .at_least(1);
  list.add("transformer_layers_per_block", &UNetConfig::transformer_layers_per_block,
           "transformer blocks in each attention of a level")
      .at_least(1);
  list.add("cross_attention_dim", &UNetConfig::cross_attention_dim, "width of the text embeddings")
      .at_least(1);
  list.add("norm_num_groups", &UNetConfig::norm_num_groups, "groups of every group norm")
      .at_least(1);
  list.add("norm_eps", &UNetConfig::norm_eps, "epsilon of the resnets' group norms").above(0);
  list.add("addition_embed_type", &UNetConfig::addition_embed_type,
           "what is embedded beside the time step");
  list.add("addition_time_embed_dim", &UNetConfig::addition_time_embed_dim,
           "features of each embedded size and crop number")
      .at_least(2);
  list.add("projection_class_embeddings_input_dim",
           &UNetConfig::projection_class_embeddings_input_dim,
           "width of the pooled text embedding and the embedded numbers together")
      .at_least(1);
  list.add("use_linear_projection", &UNetConfig::use_linear_projection,
           "whether the transformers' projections are linear layers");
  list.add("flip_sin_to_cos", &UNetConfig::flip_sin_to_cos,
           "whether cosines come before sines in the time embedding");
  return list;
}

namespace {

// Keys of UNet2DConditionModel that are no fields, with the one value that is computed here.
json neutral_values() {
  return {{"act_fn", "silu"},
          {"addition_embed_type_num_heads", "*"},
          {"attention_type", "default"},
          {"conv_in_kernel", 3},
          {"conv_out_kernel", 3},
          {"downsample_padding", 1},
          {"dropout", 0},
          {"freq_shift", 0},
          {"mid_block_scale_factor", 1},
          {"resnet_out_scale_factor", 1},
          {"resnet_time_scale_shift", "default"},
          {"time_embedding_type", "positional"},
          // Written into the config by diffusers' EMAModel.
          {"decay", "*"},
          {"inv_gamma", "*"},
          {"min_decay", "*"},
          {"optimization_step", "*"},
          {"power", "*"},
          {"update_after_step", "*"},
          {"use_ema_warmup", "*"}};
}

// diffusers writes one integer where all levels agree.
void spread_over_levels(json& values, const std::string& key, size_t levels) {
  const auto found = values.find(key);
  if (found != values.end() && found->is_number()) *found = json::array_t(levels, *found);
}

void check(const UNetConfig& config, const std::string& where) {
  const size_t levels = config.levels();
  if (levels == 0) fail(where, ": block_out_channels is empty");
  const auto check_length = [&](const char* key, size_t length) {
    if (length != levels) {
      fail(where, ": ", key, " has ", length, " entries, block_out_channels has ", levels);
    }
  };
  check_length("down_block_types", config.down_block_types.size());
  check_length("up_block_types", config.up_block_types.size());
  check_length("attention_head_dim", config.attention_head_dim.size());
  check_length("transformer_layers_per_block", config.transformer_layers_per_block.size());
  for (size_t i = 0; i < levels; ++i) {
    const int64_t channels = config.block_out_channels[i];
    if (channels % config.norm_num_groups != 0) {
      fail(where, ": block_out_channels ", channels, " does not divide into norm_num_groups ",
           config.norm_num_groups);
    }
    if (channels % config.attention_head_dim[i] != 0) {
      fail(where, ": block_out_channels ", channels, " does not divide into ",
           config.attention_head_dim[i], " heads (attention_head_dim)");
    }
  }
  if (config.addition_embed_type != "text_time") {
    fail(where, ": addition_embed_type is '", config.addition_embed_type.value_or("null"),
         "', SDXL's is 'text_time': this UNet is of another architecture");
  }
  if (!config.addition_time_embed_dim || !config.projection_class_embeddings_input_dim) {
    fail(where, ": addition_time_embed_dim and projection_class_embeddings_input_dim are missing");
  }
  if (config.pooled_features() < 1) {
    fail(where, ": projection_class_embeddings_input_dim ",
         *config.projection_class_embeddings_input_dim, " leaves no room beside ",
         UNetConfig::kTimeIds, " x addition_time_embed_dim ", *config.addition_time_embed_dim);
  }
  if (config.block_out_channels[0] % 2 != 0 || *config.addition_time_embed_dim % 2 != 0) {
    fail(where, ": block_out_channels[0] ", config.block_out_channels[0],
         " and addition_time_embed_dim ", *config.addition_time_embed_dim, " must be even");
  }
  if (!config.use_linear_projection) {
    fail(where, ": use_linear_projection = false is not supported (SDXL's is true)");
  }
  if (!config.flip_sin_to_cos) {
    fail(where, ": flip_sin_to_cos = false is not supported (SDXL's is true)");
  }
}

}  // namespace

UNetConfig UNetConfig::from_json(const json& values, const std::string& where) {
  json spread = values;
  if (spread.is_object()) {
    const auto channels = spread.find("block_out_channels");
    const size_t levels =
        channels != spread.end() && channels->is_array() ? channels->size() : UNetConfig().levels();
    spread_over_levels(spread, "attention_head_dim", levels);
    spread_over_levels(spread, "transformer_layers_per_block", levels);
  }
  UNetConfig config;
  parse_component_config(unet_config_fields(), &config, spread, neutral_values(), where);
  check(config, where);
  return config;
}

}  // namespace dorabooth
