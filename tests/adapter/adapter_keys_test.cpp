// Spellings of single keys, and what is said about unknown ones.
#include "src/adapter/adapter_keys.h"

#include <gtest/gtest.h>

#include "tests/support/fixtures.h"

namespace dorabooth::testing {
namespace {

const std::string kUnetQ = "unet.mid_block.attentions.0.transformer_blocks.1.attn1.to_q";
const std::string kUnetOut = "unet.mid_block.attentions.0.transformer_blocks.1.attn1.to_out.0";
const std::string kTextQ = "text_encoder.text_model.encoder.layers.0.self_attn.q_proj";
const std::string kText2Out = "text_encoder_2.text_model.encoder.layers.0.self_attn.out_proj";

AdapterKeys small_base() { return AdapterKeys({kUnetQ, kUnetOut, kTextQ, kText2Out}); }

void expect_key(const std::string& key, const std::string& module, AdapterRole role,
                AdapterLayout layout, const std::string& component = "") {
  const AdapterKey parsed = small_base().parse(key, component);
  EXPECT_EQ(parsed.module, module) << key;
  EXPECT_EQ(parsed.role, role) << key;
  EXPECT_EQ(parsed.layout, layout) << key;
}

TEST(AdapterKeys, EverySpellingOfDiffusersNamesItsModule) {
  const auto layout = AdapterLayout::kDiffusers;
  expect_key(kUnetQ + ".lora_A.weight", kUnetQ, AdapterRole::kA, layout);
  expect_key(kUnetQ + ".lora.up.weight", kUnetQ, AdapterRole::kB, layout);
  expect_key(kUnetOut + ".lora_magnitude_vector", kUnetOut, AdapterRole::kMagnitudeVector, layout);
  expect_key(kUnetOut + ".lora_magnitude_vector.weight", kUnetOut, AdapterRole::kMagnitudeVector,
             layout);
  expect_key(kTextQ + ".lora_linear_layer.down.weight", kTextQ, AdapterRole::kA, layout);
  expect_key("text_encoder_2.encoder.layers.0.self_attn.out_proj.lora_B.weight", kText2Out,
             AdapterRole::kB, layout);
}

TEST(AdapterKeys, DiffusersOldestSpellingsAreRead) {
  const auto layout = AdapterLayout::kDiffusers;
  const std::string attention = "unet.mid_block.attentions.0.transformer_blocks.1.attn1.";
  expect_key(attention + "processor.to_q_lora.down.weight", kUnetQ, AdapterRole::kA, layout);
  expect_key(attention + "processor.to_out_lora.up.weight", kUnetOut, AdapterRole::kB, layout);
  expect_key(attention.substr(5) + "processor.to_q_lora.up.weight", kUnetQ, AdapterRole::kB,
             layout);
  expect_key("text_encoder_2.text_model.encoder.layers.0.self_attn.to_out_lora.down.weight",
             kText2Out, AdapterRole::kA, layout);
}

TEST(AdapterKeys, PeftKeysNeedTheirComponent) {
  expect_key("base_model.model.encoder.layers.0.self_attn.q_proj.lora_A.weight", kTextQ,
             AdapterRole::kA, AdapterLayout::kPeft, "text_encoder");
  expect_key("base_model.model.text_model.encoder.layers.0.self_attn.q_proj.lora_B.weight", kTextQ,
             AdapterRole::kB, AdapterLayout::kPeft, "text_encoder");
}

TEST(AdapterKeys, KohyaNamesAreDecodedByTheTable) {
  const auto layout = AdapterLayout::kKohya;
  expect_key("lora_unet_middle_block_1_transformer_blocks_1_attn1_to_out_0.alpha", kUnetOut,
             AdapterRole::kAlpha, layout);
  expect_key("lora_unet_mid_block_attentions_0_transformer_blocks_1_attn1_to_q.lora_up.weight",
             kUnetQ, AdapterRole::kB, layout);
  expect_key("lycoris_mid_block_attentions_0_transformer_blocks_1_attn1_to_q.dora_scale", kUnetQ,
             AdapterRole::kDoraScale, layout);
  expect_key("lora_te1_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight", kTextQ,
             AdapterRole::kA, layout);
  // Left half-flattened by diffusers' own converter.
  expect_key(
      "lora_unet_mid_block_attentions_0_transformer_blocks_1_attn1.to_q.lora_magnitude_vector",
      kUnetQ, AdapterRole::kMagnitudeVector, layout);
}

TEST(AdapterKeys, AFlattenedNameOfTwoModulesIsRefused) {
  const AdapterKeys keys({"unet.a.b_c", "unet.a_b.c"});
  EXPECT_NE(message_of([&] { keys.parse("lora_unet_a_b_c.alpha"); }).find("two modules"),
            std::string::npos);
}

TEST(AdapterKeys, AnUnknownKeyIsNamedWithTheNearestOne) {
  const std::string key =
      "unet.mid_block.attentions.0.transformer_blocks.1.attn1.to_qq.lora_A.weight";
  const std::string message = message_of([&] { small_base().parse(key); });
  EXPECT_NE(message.find(key), std::string::npos) << message;
  EXPECT_NE(message.find("did you mean '" + kUnetQ + ".lora_A.weight'"), std::string::npos)
      << message;
}

TEST(AdapterKeys, WhatIsNotReadIsCalledByItsName) {
  const auto message = [](const std::string& key) {
    return message_of([&] { small_base().parse(key); });
  };
  EXPECT_NE(message("transformer.blocks.0.to_q.lora_A.weight").find("SD 3 or Flux"),
            std::string::npos);
  EXPECT_NE(message("lora_te_text_model_encoder_layers_0.alpha").find("SD 1"), std::string::npos);
  EXPECT_NE(message("lora_unet_middle_block_1.hada_w1_a").find("LoHa"), std::string::npos);
  EXPECT_NE(message("lora_unet_middle_block_1.lora_mid.weight").find("Tucker"), std::string::npos);
}

TEST(AdapterKeys, AHugeKeyIsRefusedWithoutBeingCompared) {
  const std::string key = "lora_unet_" + std::string(1 << 20, 'x') + ".alpha";
  EXPECT_LT(message_of([&] { small_base().parse(key); }).size(), 400u);
}

}  // namespace
}  // namespace dorabooth::testing
