// Spellings of single keys, and what is said about unknown ones.
#include "src/adapter/adapter_keys.h"

#include <gtest/gtest.h>

#include "tests/support/fixtures.h"

namespace dorabooth::testing::adapter_keys_test {
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
  for (const auto& [ending, name] : {std::pair{".oft_blocks", "OFT"},
                                     {".a1.weight", "GLoRA"},
                                     {".b2.weight", "GLoRA"},
                                     {".on_input", "IA3"},
                                     {".reshape_weight", "another shape"}}) {
    EXPECT_NE(message("lora_unet_middle_block_1" + std::string(ending)).find(name),
              std::string::npos)
        << ending;
  }
}

TEST(AdapterKeys, EveryTensorOfLycorisAndComfyUiHasItsRole) {
  const std::string stem = "lora_unet_middle_block_1_transformer_blocks_1_attn1_to_q.";
  for (const auto& [ending, role] : {std::pair{"lora_mid.weight", AdapterRole::kMid},
                                     {"hada_w1_a", AdapterRole::kHadaW1A},
                                     {"hada_w1_b", AdapterRole::kHadaW1B},
                                     {"hada_w2_a", AdapterRole::kHadaW2A},
                                     {"hada_w2_b", AdapterRole::kHadaW2B},
                                     {"hada_t1", AdapterRole::kHadaT1},
                                     {"hada_t2", AdapterRole::kHadaT2},
                                     {"lokr_w1", AdapterRole::kLokrW1},
                                     {"lokr_w1_a", AdapterRole::kLokrW1A},
                                     {"lokr_w1_b", AdapterRole::kLokrW1B},
                                     {"lokr_w2", AdapterRole::kLokrW2},
                                     {"lokr_w2_a", AdapterRole::kLokrW2A},
                                     {"lokr_w2_b", AdapterRole::kLokrW2B},
                                     {"lokr_t2", AdapterRole::kLokrT2},
                                     {"diff", AdapterRole::kDifference},
                                     {"diff_b", AdapterRole::kBiasDifference},
                                     {"w_norm", AdapterRole::kNormDifference},
                                     {"b_norm", AdapterRole::kNormBiasDifference},
                                     {"set_weight", AdapterRole::kReplacement}}) {
    expect_key(stem + ending, kUnetQ, role, AdapterLayout::kKohya);
    EXPECT_EQ(kohya_ending(role), ending);
  }
  EXPECT_EQ(kohya_ending(AdapterRole::kA), "lora_down.weight");
  EXPECT_EQ(kohya_ending(AdapterRole::kB), "lora_up.weight");
}

TEST(AdapterKeys, ConvolutionsOfResnetsAndSamplersAreReadInBothBlockNames) {
  const AdapterKeys keys(
      {"unet.conv_in", "unet.down_blocks.1.resnets.0.conv1", "unet.down_blocks.1.resnets.0.conv2",
       "unet.down_blocks.1.resnets.0.time_emb_proj", "unet.down_blocks.1.resnets.0.conv_shortcut",
       "unet.down_blocks.0.downsamplers.0.conv", "unet.up_blocks.0.upsamplers.0.conv",
       "unet.conv_norm_out", "text_encoder.text_model.final_layer_norm"});
  for (const auto& [key, module] :
       {std::pair{"lora_unet_input_blocks_0_0", "unet.conv_in"},
        {"lora_unet_conv_in", "unet.conv_in"},
        {"lora_unet_input_blocks_4_0_in_layers_2", "unet.down_blocks.1.resnets.0.conv1"},
        {"lora_unet_input_blocks_4_0_out_layers_3", "unet.down_blocks.1.resnets.0.conv2"},
        {"lora_unet_input_blocks_4_0_emb_layers_1", "unet.down_blocks.1.resnets.0.time_emb_proj"},
        {"lora_unet_input_blocks_4_0_skip_connection",
         "unet.down_blocks.1.resnets.0.conv_shortcut"},
        {"lora_unet_input_blocks_3_0_op", "unet.down_blocks.0.downsamplers.0.conv"},
        {"lora_unet_output_blocks_2_2_conv", "unet.up_blocks.0.upsamplers.0.conv"},
        {"lycoris_up_blocks_0_upsamplers_0_conv", "unet.up_blocks.0.upsamplers.0.conv"},
        {"diffusion_model.input_blocks.4.0.in_layers.2", "unet.down_blocks.1.resnets.0.conv1"},
        {"lora_unet_out_0", "unet.conv_norm_out"},
        {"lora_te1_text_model_final_layer_norm", "text_encoder.text_model.final_layer_norm"}}) {
    EXPECT_EQ(keys.parse(key + std::string(".diff")).module, module) << key;
  }
}

// comfy_extras' LoraSave: "text_encoders." and the name in ComfyUI's own text encoders.
TEST(AdapterKeys, ComfyUisNamesOfTextEncodersAreRead) {
  const auto layout = AdapterLayout::kComfyUi;
  expect_key(
      "text_encoders.clip_l.transformer.text_model.encoder.layers.0.self_attn.q_proj.lora_up."
      "weight",
      kTextQ, AdapterRole::kB, layout);
  expect_key("text_encoders.clip_g.transformer.text_model.encoder.layers.0.self_attn.out_proj.diff",
             kText2Out, AdapterRole::kDifference, layout);
  EXPECT_FALSE(
      small_base().find("text_encoders.t5xxl.transformer.text_model.encoder.layers.0.self_attn.q_"
                        "proj.lora_up.weight"));
}

TEST(AdapterKeys, ComfyUisBarePathAndTheAuthorsMagnitudeAreRead) {
  expect_key("diffusion_model.middle_block.1.transformer_blocks.1.attn1.to_q.lora_A.weight", kUnetQ,
             AdapterRole::kA, AdapterLayout::kComfyUi);
  expect_key(kUnetQ + ".weight_m_wdecomp.weight", kUnetQ, AdapterRole::kMagnitudeVector,
             AdapterLayout::kDiffusers);
  expect_key("lora_te1_encoder_layers_0_self_attn_q_proj.lora_up.weight", kTextQ, AdapterRole::kB,
             AdapterLayout::kKohya);
  const std::string near = "diffusion_model.middle_block.1.transformer_blocks.1.attn1.to_";
  EXPECT_NE(message_of([&] {
              small_base().parse(near + "qq.alpha");
            }).find("did you mean '" + near + "q.alpha'"),
            std::string::npos);
}

TEST(AdapterKeys, AHugeKeyIsRefusedWithoutBeingCompared) {
  const std::string key = "lora_unet_" + std::string(1 << 20, 'x') + ".alpha";
  EXPECT_LT(message_of([&] { small_base().parse(key); }).size(), 400u);
}

}  // namespace
}  // namespace dorabooth::testing::adapter_keys_test
