// Counts names and reads shapes of the SGM layout.
#include "src/model/single_file_config.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "src/base/error.h"
#include "src/model/key_cursor.h"

namespace dorabooth {

using nlohmann::json;

namespace {

constexpr int64_t kMaxNumber = 1000;

// The numbers N for which the file has a key "front" N "." "tail".
std::set<int64_t> numbers_behind(const SafetensorsFile& file, const std::string& front,
                                 std::string_view tail) {
  std::set<int64_t> found;
  for (const TensorEntry& entry : file.entries()) {
    KeyCursor key(entry.name);
    int64_t number = 0;
    if (key.take(front) && key.number(kMaxNumber, number) && key.take(tail)) found.insert(number);
  }
  return found;
}

int64_t count_behind(const SafetensorsFile& file, const std::string& front) {
  const std::set<int64_t> numbers = numbers_behind(file, front, "");
  return numbers.empty() ? 0 : *numbers.rbegin() + 1;
}

int64_t extent(const SafetensorsFile& file, const std::string& name, size_t axis) {
  const TensorEntry& entry = file.at(name);
  if (entry.shape.size() <= axis) {
    fail(file.path().string(), ": ", name, " has the shape ", shape_text(entry.shape),
         ", which lacks axis ", axis);
  }
  return entry.shape[axis];
}

std::string unet_block(int64_t index) {
  return std::string(single_file_prefix(Component::kUNet)) + "input_blocks." +
         std::to_string(index) + ".";
}

json unet_config(const SafetensorsFile& file, json config) {
  const KeyLayout layout = layout_of_single_file(file);
  const std::string unet(single_file_prefix(Component::kUNet));
  const int64_t stride = layout.unet_layers_per_block + 1;
  std::vector<int64_t> channels;
  std::vector<int64_t> depths;
  std::vector<std::string> down_types;
  for (int64_t level = 0; level < layout.unet_levels(); ++level) {
    const std::string block = unet_block(1 + level * stride);
    const bool attention = layout.unet_attention[static_cast<size_t>(level)];
    channels.push_back(extent(file, block + "0.in_layers.2.weight", 0));
    depths.push_back(attention ? count_behind(file, block + "1.transformer_blocks.") : 1);
    down_types.emplace_back(attention ? "CrossAttnDownBlock2D" : "DownBlock2D");
    if (attention) {
      config["cross_attention_dim"] =
          extent(file, block + "1.transformer_blocks.0.attn2.to_k.weight", 1);
    }
  }
  std::vector<std::string> up_types;
  for (auto type = down_types.rbegin(); type != down_types.rend(); ++type) {
    up_types.emplace_back(*type == "DownBlock2D" ? "UpBlock2D" : "CrossAttnUpBlock2D");
  }
  config["layers_per_block"] = layout.unet_layers_per_block;
  config["block_out_channels"] = channels;
  config["transformer_layers_per_block"] = depths;
  config["down_block_types"] = down_types;
  config["up_block_types"] = up_types;
  config["in_channels"] = extent(file, unet + "input_blocks.0.0.weight", 1);
  config["out_channels"] = extent(file, unet + "out.2.weight", 0);
  config["projection_class_embeddings_input_dim"] = extent(file, unet + "label_emb.0.0.weight", 1);
  return config;
}

json vae_config(const SafetensorsFile& file, json config) {
  const std::string vae(single_file_prefix(Component::kVae));
  const KeyLayout layout = layout_of_single_file(file);
  std::vector<int64_t> channels;
  for (int64_t level = 0; level < layout.vae_levels; ++level) {
    channels.push_back(
        extent(file, vae + "encoder.down." + std::to_string(level) + ".block.0.conv2.weight", 0));
  }
  config["block_out_channels"] = channels;
  config["layers_per_block"] = count_behind(file, vae + "encoder.down.0.block.");
  config["in_channels"] = extent(file, vae + "encoder.conv_in.weight", 1);
  config["out_channels"] = extent(file, vae + "decoder.conv_out.weight", 0);
  config["latent_channels"] = extent(file, vae + "decoder.conv_in.weight", 1);
  return config;
}

json text_config(const SafetensorsFile& file, Component component, json config) {
  const bool first = component == Component::kTextEncoder;
  std::string front(single_file_prefix(component));
  if (first && file.find(front + "text_model.final_layer_norm.weight")) front += "text_model.";
  const std::string tokens = front + (first ? "embeddings.token_embedding.weight"  //
                                            : "token_embedding.weight");
  const std::string positions =
      front + (first ? "embeddings.position_embedding.weight" : "positional_embedding");
  const std::string layers = front + (first ? "encoder.layers." : "transformer.resblocks.");
  config["vocab_size"] = extent(file, tokens, 0);
  config["hidden_size"] = extent(file, tokens, 1);
  config["max_position_embeddings"] = extent(file, positions, 0);
  config["num_hidden_layers"] = count_behind(file, layers);
  config["intermediate_size"] =
      extent(file, layers + (first ? "0.mlp.fc1.weight" : "0.mlp.c_fc.weight"), 0);
  if (!first) {
    const bool plain = file.find(front + "text_projection.weight") != nullptr;
    config["projection_dim"] = plain ? extent(file, front + "text_projection.weight", 0)
                                     : extent(file, front + "text_projection", 1);
  }
  return config;
}

void require_known_widths(const SafetensorsFile& file, Component component, const json& config,
                          const json& base, const char* key) {
  if (config.at(key) == base.at(key)) return;
  fail(file.path().string(), ": its ", component_name(component), " has ", key, " ",
       config.at(key).dump(), " where SDXL base has ", base.at(key).dump(),
       ", and head and group counts cannot be read from tensors: give the folder with its config "
       "files (--config_dir)");
}

}  // namespace

KeyLayout layout_of_single_file(const SafetensorsFile& file) {
  KeyLayout layout;
  const std::string blocks = std::string(single_file_prefix(Component::kUNet)) + "input_blocks.";
  const int64_t count = count_behind(file, blocks);  // input_blocks.0 is conv_in
  const std::set<int64_t> samplers = numbers_behind(file, blocks, "0.op.");
  if (count > 1) {
    const int64_t stride = samplers.empty() ? count : *samplers.begin();
    if (stride < 2 || count % stride != 0) {
      fail(file.path().string(), ": its ", count, " UNet input blocks with a down-sampler at ",
           stride, " do not divide into levels");
    }
    layout.unet_layers_per_block = stride - 1;
    layout.unet_attention.clear();
    const std::set<int64_t> attention = numbers_behind(file, blocks, "1.");
    for (int64_t first = 1; first < count; first += stride) {
      layout.unet_attention.push_back(attention.contains(first));
    }
  }
  const std::string vae(single_file_prefix(Component::kVae));
  const int64_t vae_levels =
      std::max(count_behind(file, vae + "encoder.down."), count_behind(file, vae + "decoder.up."));
  if (vae_levels > 0) layout.vae_levels = vae_levels;
  return layout;
}

KeyLayout layout_of_configs(const json& unet, const json& vae, const std::string& where) {
  try {
    KeyLayout layout;
    layout.unet_layers_per_block = unet.at("layers_per_block").get<int64_t>();
    layout.unet_attention.clear();
    for (const json& type : unet.at("down_block_types")) {
      layout.unet_attention.push_back(type.get<std::string>().starts_with("CrossAttn"));
    }
    layout.vae_levels = static_cast<int64_t>(vae.at("block_out_channels").size());
    return layout;
  } catch (const json::exception& error) {
    fail(where, ": its UNet's or VAE's config.json lacks a number: ", error.what());
  }
}

json config_of_single_file(const SafetensorsFile& file, Component component, const json& base) {
  json config;
  switch (component) {
    case Component::kUNet:
      config = unet_config(file, base);
      require_known_widths(file, component, config, base, "block_out_channels");
      break;
    case Component::kVae:
      config = vae_config(file, base);
      require_known_widths(file, component, config, base, "block_out_channels");
      break;
    case Component::kTextEncoder:
    case Component::kTextEncoder2:
      config = text_config(file, component, base);
      require_known_widths(file, component, config, base, "hidden_size");
      break;
  }
  return config;
}

}  // namespace dorabooth
