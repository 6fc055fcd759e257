// Configs read from the shapes of a single file of SDXL's widths.
#include "src/model/single_file_config.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "src/base/atomic_file.h"
#include "src/model/assets.h"
#include "tests/model/fake_files.h"
#include "tests/support/fixtures.h"

namespace dorabooth::single_file_config_test {
namespace {

using nlohmann::json;
using testing::Shapes;

json base_config(const std::string& component) {
  return json::parse(read_file(asset_path("sdxl_base_config/" + component + "/config.json")));
}

// The tensors that tell a UNet's numbers, of this many transformer blocks on the lower levels.
Shapes unet_shapes(const std::vector<int64_t>& channels, int64_t blocks) {
  const std::string unet = "model.diffusion_model.";
  Shapes shapes = {{unet + "input_blocks.0.0.weight", {1, 4, 1, 1}},
                   {unet + "input_blocks.3.0.op.bias", {1}},
                   {unet + "input_blocks.6.0.op.bias", {1}},
                   {unet + "input_blocks.8.0.in_layers.2.bias", {1}},
                   {unet + "label_emb.0.0.weight", {1, 2816}},
                   {unet + "out.2.weight", {4, 1, 1, 1}}};
  for (size_t level = 0; level < channels.size(); ++level) {
    const std::string block = unet + "input_blocks." + std::to_string(1 + 3 * level) + ".";
    shapes.push_back({block + "0.in_layers.2.weight", {channels[level], 1, 1, 1}});
    for (int64_t i = 0; level > 0 && i < blocks; ++i) {
      shapes.push_back(
          {block + "1.transformer_blocks." + std::to_string(i) + ".attn2.to_k.weight", {1, 2048}});
    }
  }
  return shapes;
}

TEST(SingleFileConfig, CountsTransformerBlocks) {
  const testing::TemporaryFolder folder;
  const auto path = folder.path() / "unet.safetensors";
  testing::write_fake_file(path, unet_shapes({320, 640, 1280}, 3));
  const json config =
      config_of_single_file(SafetensorsFile(path), Component::kUNet, base_config("unet"));
  json want = base_config("unet");
  want["transformer_layers_per_block"] = {1, 3, 3};
  EXPECT_EQ(config, want);
}

TEST(SingleFileConfig, AsksForConfigsOfOtherWidths) {
  const testing::TemporaryFolder folder;
  const auto path = folder.path() / "unet.safetensors";
  testing::write_fake_file(path, unet_shapes({64, 128, 256}, 1));
  const std::string message = testing::message_of(
      [&] { config_of_single_file(SafetensorsFile(path), Component::kUNet, base_config("unet")); });
  EXPECT_NE(message.find("[64,128,256] where SDXL base has [320,640,1280]"), message.npos)
      << message;
}

TEST(SingleFileConfig, UnevenLevelsAreAnError) {
  const testing::TemporaryFolder folder;
  const auto path = folder.path() / "unet.safetensors";
  Shapes shapes = unet_shapes({320, 640, 1280}, 1);
  shapes.push_back({"model.diffusion_model.input_blocks.9.0.in_layers.2.bias", {1}});
  testing::write_fake_file(path, shapes);
  const std::string message =
      testing::message_of([&] { layout_of_single_file(SafetensorsFile(path)); });
  EXPECT_NE(message.find("do not divide into levels"), message.npos) << message;
}

}  // namespace
}  // namespace dorabooth::single_file_config_test
