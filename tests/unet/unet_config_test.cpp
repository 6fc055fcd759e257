// What unet/config.json may say, and the sentences on what is not supported.
#include "src/unet/unet_config.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/fixtures.h"

namespace dorabooth::unet_config_test {
namespace {

using nlohmann::json;
using testing::message_of;

json small() {
  return {{"_class_name", "UNet2DConditionModel"},
          {"addition_embed_type", "text_time"},
          {"addition_time_embed_dim", 8},
          {"projection_class_embeddings_input_dim", 64},
          {"attention_head_dim", {1, 2}},
          {"block_out_channels", {32, 64}},
          {"cross_attention_dim", 12},
          {"down_block_types", {"DownBlock2D", "CrossAttnDownBlock2D"}},
          {"up_block_types", {"CrossAttnUpBlock2D", "UpBlock2D"}},
          {"transformer_layers_per_block", {1, 2}},
          {"use_linear_projection", true}};
}

std::string complaint(const char* key, const json& value) {
  json config = small();
  config[key] = value;
  return message_of([&] { UNetConfig::from_json(config, "unet/config.json"); });
}

TEST(UNetConfig, ReadsLists) {
  const UNetConfig config = UNetConfig::from_json(small(), "c");
  EXPECT_EQ(config.attention_head_dim, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(config.time_embed_dim(), 128);
  EXPECT_EQ(config.pooled_features(), 64 - 6 * 8);
}

TEST(UNetConfig, OneIntegerStandsForAllLevels) {
  json values = small();
  values["attention_head_dim"] = 4;
  values["transformer_layers_per_block"] = 3;
  const UNetConfig config = UNetConfig::from_json(values, "c");
  EXPECT_EQ(config.attention_head_dim, (std::vector<int64_t>{4, 4}));
  EXPECT_EQ(config.transformer_layers_per_block, (std::vector<int64_t>{3, 3}));
}

TEST(UNetConfig, NeutralValuesAreAccepted) {
  EXPECT_EQ(complaint("dropout", 0.0), "");
  EXPECT_EQ(complaint("dual_cross_attention", false), "");
  EXPECT_EQ(complaint("class_embed_type", nullptr), "");
  EXPECT_EQ(complaint("resnet_out_scale_factor", 1.0), "");
}

TEST(UNetConfig, WhatIsNotComputedIsRefusedByName) {
  const std::vector<std::pair<const char*, json>> wrong = {
      {"dual_cross_attention", true},
      {"class_embed_type", "timestep"},
      {"time_embedding_type", "fourier"},
      {"resnet_time_scale_shift", "scale_shift"},
      {"use_linear_projection", false},
      {"flip_sin_to_cos", false},
      {"mid_block_type", "UNetMidBlock2D"},
      {"down_block_types", {"DownBlock2D", "AttnDownBlock2D"}},
      {"attention_head_dim", {1, 2, 3}},
      {"attention_head_dim", {1, 7}},
      {"transformer_layers_per_block", json::array({json::array({1, 2}), 2})},
      {"norm_num_groups", 48},
      {"addition_embed_type", nullptr},
      {"projection_class_embeddings_input_dim", 40},
      {"some_new_option", 3}};
  for (const auto& [key, value] : wrong) {
    const std::string message = complaint(key, value);
    EXPECT_NE(message.find("unet/config.json"), std::string::npos) << key << ": " << message;
    EXPECT_NE(message.find(key), std::string::npos) << key << ": " << message;
  }
}

TEST(UNetConfig, EveryFieldHasHelp) {
  const FieldList<UNetConfig> list = unet_config_fields();
  for (const Field& field : list.fields()) EXPECT_FALSE(field.help.empty()) << field.name;
}

}  // namespace
}  // namespace dorabooth::unet_config_test
