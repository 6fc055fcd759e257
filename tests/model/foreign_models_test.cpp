// Each kind of file that is no SDXL base is refused by its name.
#include "src/model/foreign_models.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "src/model/checkpoint.h"
#include "tests/model/fake_files.h"
#include "tests/support/fixtures.h"

namespace dorabooth::foreign_models_test {
namespace {

using testing::message_of;
using testing::Shapes;
using testing::write_fake_file;
using testing::write_text;

std::string refusal_of(const Shapes& tensors) {
  const testing::TemporaryFolder folder;
  const auto path = folder.path() / "base.safetensors";
  write_fake_file(path, tensors);
  return message_of([&] { Checkpoint::open(path); });
}

const std::string kUnet = "model.diffusion_model.";

Shapes unet(int64_t in_channels, int64_t channels, int64_t cross, bool label) {
  Shapes shapes = {{kUnet + "input_blocks.0.0.weight", {channels, in_channels, 3, 3}},
                   {kUnet + "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight", {4, cross}},
                   {kUnet + "out.2.weight", {4, channels, 3, 3}}};
  if (label) shapes.push_back({kUnet + "label_emb.0.0.weight", {4, 8}});
  return shapes;
}

TEST(ForeignModels, AreRefusedByNameAsSingleFiles) {
  const auto expect_named = [](Shapes tensors, const char* name) {
    const std::string message = refusal_of(tensors);
    EXPECT_NE(message.find(name), message.npos) << message;
  };
  expect_named(unet(9, 8, 16, true), "inpainting");
  expect_named(unet(8, 8, 16, true), "image-editing");
  expect_named(unet(4, 8, 768, false), "Stable Diffusion 1.x");
  expect_named(unet(4, 8, 1024, false), "Stable Diffusion 2.x");
  expect_named(unet(4, 384, 1280, true), "SDXL refiner");
  expect_named({{"conditioner.embedders.0.model.ln_final.bias", {4}}}, "SDXL refiner");
  expect_named({{"cond_stage_model.transformer.text_model.final_layer_norm.bias", {4}},
                {kUnet + "input_blocks.0.0.weight", {8, 4, 3, 3}}},
               "Stable Diffusion 1.x");
  expect_named({{"cond_stage_model.model.ln_final.bias", {4}}}, "Stable Diffusion 2.x");
  expect_named({{kUnet + "joint_blocks.0.context_block.attn.qkv.weight", {4, 4}}},
               "Stable Diffusion 3");
  expect_named({{"double_blocks.0.img_attn.qkv.weight", {4, 4}}}, "Flux");
  expect_named({{"lora_unet_mid_block_1.lora_down.weight", {4, 4}}}, "adapter");
  expect_named({{"unet.mid_block.attentions.0.proj_in.lora_A.weight", {4, 4}}}, "adapter");
  expect_named({{"clip_l", {1, 8}}, {"clip_g", {1, 8}}}, "textual-inversion");
  expect_named({{"time_embedding.linear_1.weight", {4, 4}}}, "one component");
  expect_named({{"weight", {4, 4}}}, "not an SDXL checkpoint");
}

TEST(ForeignModels, AreRefusedByNameAsFolders) {
  const auto expect_named = [](const std::string& index, const std::string& unet_config,
                               const char* name) {
    const testing::TemporaryFolder folder;
    write_text(folder.path() / "model_index.json", index);
    write_text(folder.path() / "unet" / "config.json", unet_config);
    const std::string message = message_of([&] { Checkpoint::open(folder.path()); });
    EXPECT_NE(message.find(name), message.npos) << message;
  };
  const std::string sdxl = R"({"_class_name": "StableDiffusionXLPipeline", "unet": ["a", "b"],
                               "text_encoder": ["a", "b"]})";
  expect_named(R"({"_class_name": "FluxPipeline"})", "{}", "Flux");
  expect_named(R"({"_class_name": "StableDiffusion3Pipeline"})", "{}", "Stable Diffusion 3");
  expect_named(R"({"_class_name": "StableDiffusionPipeline"})", R"({"cross_attention_dim": 768})",
               "Stable Diffusion 1.x;");
  expect_named(R"({"_class_name": "StableDiffusionPipeline"})", R"({"cross_attention_dim": 1024})",
               "Stable Diffusion 2.x;");
  expect_named(R"({"_class_name": "StableDiffusionXLImg2ImgPipeline",
                   "text_encoder": [null, null]})",
               "{}", "SDXL refiner");
  expect_named(sdxl, R"({"in_channels": 9, "out_channels": 4, "addition_embed_type": "text_time"})",
               "inpainting");
  expect_named(R"({"_class_name": "PixArtAlphaPipeline"})", "{}", "PixArtAlphaPipeline");
}

TEST(ForeignModels, PathsThatAreNoBaseSaySo) {
  const testing::TemporaryFolder folder;
  const auto message = [&](const char* name) {
    return message_of([&] { refuse_foreign_path(folder.path() / name); });
  };
  EXPECT_NE(message("absent").find("does not exist"), std::string::npos);
  write_text(folder.path() / "model.ckpt", "x");
  EXPECT_NE(message("model.ckpt").find("never loaded"), std::string::npos);
  write_text(folder.path() / "peft" / "adapter_config.json", "{}");
  EXPECT_NE(message("peft").find("--adapter_path"), std::string::npos);
  EXPECT_NE(message("").find("model_index.json"), std::string::npos);
}

}  // namespace
}  // namespace dorabooth::foreign_models_test
