// PEFT's configuration: defaults, patterns, and what is refused.
#include "src/adapter/lora_config.h"

#include <gtest/gtest.h>

#include "tests/support/fixtures.h"

namespace dorabooth::testing::lora_config_test {
namespace {

LoraConfig config_of(const std::string& fields) {
  return parse_adapter_config(R"({"peft_type": "LORA")" + fields + "}", "config");
}

TEST(LoraConfig, AbsentFieldsHaveLoraConfigsDefaults) {
  const LoraConfig config = config_of("");
  EXPECT_EQ(config.rank, 8);
  EXPECT_EQ(config.alpha, 8.0);
  EXPECT_FALSE(config.use_dora);
  EXPECT_FALSE(config.use_rslora);
}

TEST(LoraConfig, PatternsMatchEndingsAndAnchoredNames) {
  const LoraConfig config = config_of(R"(, "r": 4, "lora_alpha": 2,
        "rank_pattern": {"^mid_block.to_q": 16, "attn1.to_q": 6},
        "alpha_pattern": {"attn1\\.to_q": 3.5})");
  EXPECT_EQ(config.rank_of("mid_block.to_q"), 16);
  EXPECT_EQ(config.rank_of("a.mid_block.to_q"), 4);
  EXPECT_EQ(config.rank_of("down.attn1.to_q"), 6);
  EXPECT_EQ(config.rank_of("down.my_attn1.to_q"), 4);
  EXPECT_EQ(config.alpha_of("down.attn1.to_q"), 3.5);
  EXPECT_EQ(config.alpha_of("down.attn2.to_q"), 2.0);
}

TEST(LoraConfig, TextEncoderPathsMatchWithAndWithoutTextModel) {
  const LoraConfig config = config_of(R"(, "alpha_pattern": {"^encoder.q_proj": 3})");
  EXPECT_EQ(config.alpha_of("text_model.encoder.q_proj"), 3.0);
}

TEST(LoraConfig, WhatCannotBeHonouredIsRefusedByName) {
  for (const std::string field :
       {R"("bias": "all")", R"("lora_bias": true)", R"("modules_to_save": ["conv_in"])",
        R"("fan_in_fan_out": true)", R"("use_qalora": true)", R"("layer_replication": [[0, 4]])",
        R"("init_lora_weights": "pissa")", R"("surprise": 1)", R"("r": 0)", R"("r": 2.5)",
        R"("r": "4")", R"("lora_alpha": -1)", R"("lora_dropout": 1.5)", R"("use_dora": "yes")",
        R"("rank_pattern": [4])", R"("rank_pattern": {"to_.*": 4})",
        R"("alpha_pattern": {"to_q": 0})", R"("megatron_config": {"a": 1})"}) {
    const std::string name = field.substr(0, field.find(':'));
    const std::string message = message_of([&] { config_of(", " + field); });
    EXPECT_NE(message.find(name.substr(1, name.size() - 2)), std::string::npos) << field << message;
  }
}

TEST(LoraConfig, AnotherTunerIsRefused) {
  for (const char* text : {R"({"peft_type": "LOHA"})", "{}", "[]", "{", ""}) {
    EXPECT_NE(message_of([&] { parse_adapter_config(text, "config"); }), "") << text;
  }
}

TEST(LoraConfig, MetadataIsSplitByComponent) {
  const auto configs = parse_adapter_metadata(
      R"({"unet.r": 4, "unet.lora_alpha": 2, "text_encoder_2.use_dora": true})", "metadata");
  EXPECT_EQ(configs.size(), 2u);
  EXPECT_EQ(configs.at("unet").rank, 4);
  EXPECT_EQ(configs.at("unet").alpha, 2.0);
  EXPECT_TRUE(configs.at("text_encoder_2").use_dora);
  for (const char* text : {R"({"transformer.r": 4})", R"({"r": 4})", R"({"unet.": 4})", "3"}) {
    EXPECT_NE(message_of([&] { parse_adapter_metadata(text, "metadata"); }), "") << text;
  }
}

}  // namespace
}  // namespace dorabooth::testing::lora_config_test
