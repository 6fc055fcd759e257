// Reads and checks text_encoder/config.json.
#include "src/clip/clip_text_config.h"

#include <nlohmann/json.hpp>

#include "src/base/error.h"

namespace dorabooth {

using nlohmann::json;

namespace {
constexpr const char* kPlain = "CLIPTextModel";
constexpr const char* kWithProjection = "CLIPTextModelWithProjection";
}  // namespace

bool ClipTextConfig::with_projection() const {
  return !architectures.empty() && architectures[0] == kWithProjection;
}

FieldList<ClipTextConfig> clip_text_config_fields() {
  using Config = ClipTextConfig;
  FieldList<Config> list;
  list.add("architectures", &Config::architectures, "the model's class: with projection or without")
      .one_of({kPlain, kWithProjection});
  list.add("vocab_size", &Config::vocab_size, "rows of the token table").at_least(1);
  list.add("hidden_size", &Config::hidden_size, "width of the hidden states").at_least(1);
  list.add("intermediate_size", &Config::intermediate_size, "width inside the feed-forward")
      .at_least(1);
  list.add("projection_dim", &Config::projection_dim, "width of the projected pooled vector")
      .at_least(1);
  list.add("num_hidden_layers", &Config::num_hidden_layers, "transformer layers").at_least(1);
  list.add("num_attention_heads", &Config::num_attention_heads, "attention heads").at_least(1);
  list.add("max_position_embeddings", &Config::max_position_embeddings, "longest prompt in tokens")
      .at_least(1);
  list.add("hidden_act", &Config::hidden_act, "activation inside the feed-forward")
      .one_of({"quick_gelu", "gelu"});
  list.add("layer_norm_eps", &Config::layer_norm_eps, "epsilon of the layer norms").above(0);
  list.add("eos_token_id", &Config::eos_token_id,
           "id whose first position is pooled; 2 means the highest id of the prompt");
  return list;
}

ClipTextConfig ClipTextConfig::from_json(const json& values, const std::string& where) {
  const json neutral = {{"attention_dropout", 0},
                        {"bos_token_id", "*"},
                        {"dropout", 0},
                        {"dtype", "*"},
                        {"gradient_checkpointing", "*"},
                        {"initializer_factor", "*"},
                        {"initializer_range", "*"},
                        {"model_type", "clip_text_model"},
                        {"pad_token_id", "*"},
                        {"torch_dtype", "*"},
                        {"transformers_version", "*"}};
  ClipTextConfig config;
  parse_component_config(clip_text_config_fields(), &config, values, neutral, where);
  if (config.architectures.size() != 1) {
    fail(where, ": architectures wants one name, got ", config.architectures.size());
  }
  if (config.hidden_size % config.num_attention_heads != 0) {
    fail(where, ": hidden_size ", config.hidden_size, " does not divide into ",
         config.num_attention_heads, " heads");
  }
  return config;
}

}  // namespace dorabooth
