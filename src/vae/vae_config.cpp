// Reads and checks vae/config.json.
#include "src/vae/vae_config.h"

#include <nlohmann/json.hpp>

#include "src/base/error.h"

namespace dorabooth {

using nlohmann::json;

FieldList<VaeConfig> vae_config_fields() {
  FieldList<VaeConfig> list;
  list.add("in_channels", &VaeConfig::in_channels, "channels of the encoder's input").at_least(1);
  list.add("out_channels", &VaeConfig::out_channels, "channels of the decoder's output")
      .at_least(1);
  list.add("latent_channels", &VaeConfig::latent_channels, "channels of the latents").at_least(1);
  list.add("block_out_channels", &VaeConfig::block_out_channels, "channels of each level")
      .at_least(1);
  list.add("layers_per_block", &VaeConfig::layers_per_block, "resnets of an encoder level")
      .at_least(1);
  list.add("down_block_types", &VaeConfig::down_block_types, "kind of each encoder level")
      .one_of({"DownEncoderBlock2D"});
  list.add("up_block_types", &VaeConfig::up_block_types, "kind of each decoder level")
      .one_of({"UpDecoderBlock2D"});
  list.add("norm_num_groups", &VaeConfig::norm_num_groups, "groups of every group norm")
      .at_least(1);
  list.add("sample_size", &VaeConfig::sample_size, "side of a tile in pixels").at_least(1);
  list.add("scaling_factor", &VaeConfig::scaling_factor,
           "factor between the autoencoder's latents and the denoiser's")
      .above(0);
  list.add("mid_block_add_attention", &VaeConfig::mid_block_add_attention,
           "whether the middle blocks have an attention");
  list.add("use_quant_conv", &VaeConfig::use_quant_conv,
           "whether a 1x1 convolution follows the encoder");
  list.add("use_post_quant_conv", &VaeConfig::use_post_quant_conv,
           "whether a 1x1 convolution precedes the decoder");
  return list;
}

VaeConfig VaeConfig::from_json(const json& values, const std::string& where) {
  VaeConfig config;
  const json neutral = {{"act_fn", "silu"}, {"force_upcast", "*"}, {"shift_factor", 0}};
  parse_component_config(vae_config_fields(), &config, values, neutral, where);
  const size_t levels = config.levels();
  if (levels == 0) fail(where, ": block_out_channels is empty");
  if (config.down_block_types.size() != levels || config.up_block_types.size() != levels) {
    fail(where, ": down_block_types and up_block_types have ", config.down_block_types.size(),
         " and ", config.up_block_types.size(), " entries, block_out_channels has ", levels);
  }
  for (const int64_t channels : config.block_out_channels) {
    if (channels % config.norm_num_groups != 0) {
      fail(where, ": block_out_channels ", channels, " does not divide into norm_num_groups ",
           config.norm_num_groups);
    }
  }
  if (config.sample_size % config.downscale() != 0) {
    fail(where, ": sample_size ", config.sample_size, " is no multiple of ", config.downscale());
  }
  return config;
}

}  // namespace dorabooth
