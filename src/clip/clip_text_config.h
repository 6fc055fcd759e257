// The numbers of a CLIP text encoder, read from text_encoder/config.json (keys of transformers'
// CLIPTextConfig). What this program does not compute is an error that names it.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "src/config/field_list.h"

namespace dorabooth {

struct ClipTextConfig {
  std::vector<std::string> architectures = {"CLIPTextModel"};
  int64_t vocab_size = 49408;
  int64_t hidden_size = 512;
  int64_t intermediate_size = 2048;
  int64_t projection_dim = 512;
  int64_t num_hidden_layers = 12;
  int64_t num_attention_heads = 8;
  int64_t max_position_embeddings = 77;
  std::string hidden_act = "quick_gelu";
  double layer_norm_eps = 1e-5;
  int64_t eos_token_id = 49407;

  // Whether the model ends in text_projection.
  bool with_projection() const;

  // Checks the whole; `where` (the file) opens every message.
  static ClipTextConfig from_json(const nlohmann::json& json, const std::string& where);
};

FieldList<ClipTextConfig> clip_text_config_fields();

}  // namespace dorabooth
