// The key grammar for other numbers than SDXL's, and the spellings that readers tolerate.
#include "src/model/single_file_keys.h"

#include <gtest/gtest.h>

namespace dorabooth::single_file_keys_test {
namespace {

// Two levels, the upper with attention; one resnet a down block.
const KeyLayout kOneLayer{1, {true, false}, 3};

std::string single_name(Component component, const std::string& name, const KeyLayout& layout) {
  const auto key = to_single_file(component, name, layout);
  return key ? key->name : "";
}

std::string diffusers_name(const std::string& name, const KeyLayout& layout) {
  const auto keys = to_diffusers(name, layout);
  return keys.size() == 1 ? keys[0].name : "";
}

TEST(SingleFileKeys, NumberBlocksByTheLayersOfALevel) {
  const auto name = [&](const char* key) { return single_name(Component::kUNet, key, kOneLayer); };
  const std::string unet = "model.diffusion_model.";
  EXPECT_EQ(name("down_blocks.0.attentions.0.norm.bias"), unet + "input_blocks.1.1.norm.bias");
  EXPECT_EQ(name("down_blocks.0.downsamplers.0.conv.bias"), unet + "input_blocks.2.0.op.bias");
  EXPECT_EQ(name("down_blocks.1.resnets.0.conv1.bias"), unet + "input_blocks.3.0.in_layers.2.bias");
  EXPECT_EQ(name("up_blocks.1.resnets.1.norm2.bias"), unet + "output_blocks.3.0.out_layers.0.bias");
}

TEST(SingleFileKeys, PutTheUpsamplerBehindTheAttentionWhereThereIsOne) {
  const std::string unet = "model.diffusion_model.";
  EXPECT_EQ(single_name(Component::kUNet, "up_blocks.0.upsamplers.0.conv.weight", kOneLayer),
            unet + "output_blocks.1.1.conv.weight");
  const KeyLayout attention{1, {false, true}, 3};
  EXPECT_EQ(single_name(Component::kUNet, "up_blocks.0.upsamplers.0.conv.weight", attention),
            unet + "output_blocks.1.2.conv.weight");
  for (const char* place : {"1", "2"}) {
    EXPECT_EQ(diffusers_name(unet + "output_blocks.1." + place + ".conv.weight", kOneLayer),
              "up_blocks.0.upsamplers.0.conv.weight");
  }
}

TEST(SingleFileKeys, CountTheDecodersLevelsFromTheOtherEnd) {
  EXPECT_EQ(single_name(Component::kVae, "decoder.up_blocks.0.resnets.1.conv1.bias", kOneLayer),
            "first_stage_model.decoder.up.2.block.1.conv1.bias");
  EXPECT_EQ(diffusers_name("first_stage_model.decoder.up.0.block.0.nin_shortcut.bias", kOneLayer),
            "decoder.up_blocks.2.resnets.0.conv_shortcut.bias");
}

TEST(SingleFileKeys, KnowNothingOutsideTheLayout) {
  for (const char* name :
       {"down_blocks.2.resnets.0.conv1.bias", "down_blocks.0.resnets.1.conv1.bias",
        "down_blocks.00.resnets.0.conv1.bias", "down_blocks.0.resnets.0.conv9.bias", "conv_in",
        "mid_block.resnets.2.conv1.bias", ""}) {
    EXPECT_EQ(single_name(Component::kUNet, name, kOneLayer), "") << name;
  }
  for (const char* name :
       {"model.diffusion_model.input_blocks.4.0.in_layers.2.bias",
        "model.diffusion_model.input_blocks.0.1.norm.bias",
        "model.diffusion_model.middle_block.3.norm.bias",
        "first_stage_model.encoder.down.3.block.0.conv1.bias",
        "conditioner.embedders.1.model.transformer.resblocks.0.attn.in_proj_scale", "other"}) {
    EXPECT_TRUE(to_diffusers(name, kOneLayer).empty()) << name;
  }
}

TEST(SingleFileKeys, SplitAFusedProjectionIntoThreeRowRanges) {
  const auto keys =
      to_diffusers("conditioner.embedders.1.model.transformer.resblocks.3.attn.in_proj_weight", {});
  ASSERT_EQ(keys.size(), 3u);
  const char* names[] = {"q_proj", "k_proj", "v_proj"};
  for (int part = 0; part < 3; ++part) {
    const ComponentKey& key = keys[static_cast<size_t>(part)];
    EXPECT_EQ(key.name,
              "text_model.encoder.layers.3.self_attn." + std::string(names[part]) + ".weight");
    EXPECT_EQ(key.change, (KeyChange{KeyChange::kRows, part}));
  }
}

TEST(SingleFileKeys, TakeTheRareTextProjectionWithoutTranspose) {
  const auto keys = to_diffusers("conditioner.embedders.1.model.text_projection.weight", {});
  ASSERT_EQ(keys.size(), 1u);
  EXPECT_EQ(keys[0].name, "text_projection.weight");
  EXPECT_EQ(keys[0].change.kind, KeyChange::kNone);
}

TEST(SingleFileKeys, TakeAFirstTextEncoderWithAndWithoutItsOuterName) {
  for (const char* outer : {"text_model.", ""}) {
    EXPECT_EQ(diffusers_name("conditioner.embedders.0.transformer." + std::string(outer) +
                                 "final_layer_norm.bias",
                             {}),
              "text_model.final_layer_norm.bias");
  }
}

TEST(SingleFileKeys, IgnoreWhatBelongsToNoModel) {
  for (const char* name :
       {"conditioner.embedders.0.transformer.text_model.embeddings.position_ids",
        "conditioner.embedders.1.model.logit_scale", "model_ema.decay", "denoiser.sigmas",
        "alphas_cumprod_prev", "betas", "sqrt_alphas_cumprod", "loss.logvar", "lvlb_weights"}) {
    EXPECT_TRUE(is_ignored_key(name)) << name;
  }
  EXPECT_FALSE(is_ignored_key("model.diffusion_model.out.2.bias"));
}

TEST(SingleFileKeys, RenameOldVaeAttention) {
  EXPECT_EQ(present_key(Component::kVae, "decoder.mid_block.attentions.0.proj_attn.bias"),
            "decoder.mid_block.attentions.0.to_out.0.bias");
  EXPECT_EQ(present_key(Component::kVae, "encoder.mid_block.attentions.0.query.weight"),
            "encoder.mid_block.attentions.0.to_q.weight");
  EXPECT_EQ(present_key(Component::kVae, "encoder.conv_in.weight"), "encoder.conv_in.weight");
}

}  // namespace
}  // namespace dorabooth::single_file_keys_test
