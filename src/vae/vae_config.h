// The numbers of a KL autoencoder in SDXL's form, read from diffusers' vae/config.json (keys of
// AutoencoderKL). What this program does not compute is an error that names it.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "src/config/field_list.h"

namespace dorabooth {

struct VaeConfig {
  int64_t in_channels = 3;
  int64_t out_channels = 3;
  int64_t latent_channels = 4;
  std::vector<int64_t> block_out_channels = {128, 256, 512, 512};
  int64_t layers_per_block = 2;
  std::vector<std::string> down_block_types = {"DownEncoderBlock2D", "DownEncoderBlock2D",
                                               "DownEncoderBlock2D", "DownEncoderBlock2D"};
  std::vector<std::string> up_block_types = {"UpDecoderBlock2D", "UpDecoderBlock2D",
                                             "UpDecoderBlock2D", "UpDecoderBlock2D"};
  int64_t norm_num_groups = 32;
  int64_t sample_size = 1024;
  double scaling_factor = 0.18215;
  bool mid_block_add_attention = true;
  bool use_quant_conv = true;
  bool use_post_quant_conv = true;

  size_t levels() const { return block_out_channels.size(); }
  // Pixels a latent's side stands for.
  int64_t downscale() const { return int64_t{1} << (levels() - 1); }

  // Checks the whole; `where` (the file) opens every message.
  static VaeConfig from_json(const nlohmann::json& json, const std::string& where);
};

FieldList<VaeConfig> vae_config_fields();

}  // namespace dorabooth
