// LoRA and DoRA of convolutions for diffusers and PEFT: what their files can hold, and what not.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "pipelines/convert.h"
#include "pipelines/parts/checkpoint_layers.h"
#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/tensorfile/safetensors.h"
#include "tests/pipelines/example_base.h"
#include "tests/pipelines/small_adapter.h"
#include "tests/support/fixtures.h"

namespace dorabooth::testing::convert_convolution_test {
namespace {

namespace fs = std::filesystem;
using Tensors = std::map<std::string, at::Tensor>;

const std::string kConv = "unet.down_blocks.1.resnets.0.conv1";
const std::string kKohyaConv = "lora_unet_down_blocks_1_resnets_0_conv1";
const std::string kKohyaQ = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q";

class ConvertConvolution : public ::testing::Test {
 protected:
  ConvertReport run(const Tensors& tensors, const std::string& to) {
    const fs::path path = folder_.path() / "source.safetensors";
    write_tensors(path, tensors, {});
    return run_file(path.string(), to);
  }
  ConvertReport run_file(const std::string& path, const std::string& to) {
    ConvertRequest request;
    request.adapter_path = path;
    request.pretrained_model_name_or_path = base_path();
    request.to = to;
    request.verify = true;
    (to == "peft" ? request.output_dir : request.output) = (folder_.path() / to).string();
    return convert(request, recorder_, {});
  }
  AdapterContents read(const fs::path& path) const {
    return read_adapter_contents(path, layers_, shapes_);
  }
  static const ReaderVerdict& verdict(const ConvertReport& report, const std::string& consumer) {
    return *std::ranges::find(report.verdicts, consumer, &ReaderVerdict::consumer);
  }

  const Checkpoint base_ = Checkpoint::open(base_path());
  std::vector<std::unique_ptr<nn::Linear>> owned_;
  const LinearLayers layers_ = checkpoint_layers(base_, owned_);
  const ParameterShapes shapes_ = checkpoint_shapes(base_);
  TemporaryFolder folder_;
  Recorder recorder_;
};

// What diffusers' and PEFT's files come to is read again to the same weights.
TEST_F(ConvertConvolution, BothFormatsComeBackTheSame) {
  const SmallAdapter adapter(base_);
  for (const bool magnitudes : {false, true}) {
    const std::string source = adapter.write(folder_.path() / "a.safetensors", magnitudes);
    const AdapterContents want = read(source);
    for (const std::string to : {"diffusers", "peft"}) {
      SCOPED_TRACE(to);
      const ConvertReport report = run_file(source, to);
      EXPECT_TRUE(report.is_right);
      EXPECT_TRUE(verdict(report, to == "peft" ? "PEFT" : "diffusers").is_right);
      const AdapterContents own =
          read(to == "peft" ? fs::path(report.path) / "unet" : fs::path(report.path));
      EXPECT_EQ(own.patches.size(), 2u);
      for (const WeightPatch& patch : want.patches) {
        const at::Tensor weight = base_weight(base_, patch.module);
        for (const double s : {0.5, 1.0}) {
          EXPECT_LT(off(patched(*own.find_patch(patch.parameter), weight, s, StrengthRule::kPeft),
                        patched(patch, weight, s, StrengthRule::kPeft)),
                    1e-6);
        }
      }
      for (const auto& [module, tensors] : own.file.modules) {
        const at::Tensor weight = base_weight(base_, module);
        EXPECT_LT(off(AdaptedWeight(own.file, module, weight).merged(),
                      AdaptedWeight(want.file, module, weight).merged()),
                  1e-6);
      }
    }
  }
}

// The keys and the header are what diffusers' loader takes: "lora" in every key, fields of
// LoraConfig alone, a rank for every module of another rank.
TEST_F(ConvertConvolution, KeysAndHeaderAreDiffusers) {
  const SmallAdapter adapter(base_);
  Tensors tensors = read_tensors(adapter.write(folder_.path() / "a.safetensors"));
  tensors[kKohyaConv + ".lora_down.weight"] = at::randn({6, 64, 3, 3}) * 0.1;
  tensors[kKohyaConv + ".lora_up.weight"] = at::randn({128, 6, 1, 1}) * 0.1;
  const SafetensorsFile file(run(tensors, "diffusers").path);
  std::map<std::string, std::vector<int64_t>> shapes;
  for (const TensorEntry& entry : file.entries()) {
    EXPECT_NE(entry.name.find("lora"), std::string::npos) << entry.name;
    shapes[entry.name] = entry.shape;
  }
  EXPECT_EQ(shapes.at(kConv + ".lora.down.weight"), (std::vector<int64_t>{6, 64, 3, 3}));
  EXPECT_EQ(shapes.at(kConv + ".lora.up.weight"), (std::vector<int64_t>{128, 6, 1, 1}));
  EXPECT_EQ(shapes.at(kConv + ".lora_magnitude_vector"), (std::vector<int64_t>{1, 128, 1, 1}));
  const auto header = nlohmann::json::parse(file.metadata().at("lora_adapter_metadata"));
  EXPECT_EQ(header.at("unet.r"), 4);
  EXPECT_EQ(header.at("unet.rank_pattern").at("down_blocks.1.resnets.0.conv1"), 6);
  EXPECT_EQ(header.at("unet.use_dora"), true);
  const auto targets = header.at("unet.target_modules").get<std::vector<std::string>>();
  EXPECT_NE(std::ranges::find(targets, "down_blocks.1.resnets.0.conv1"), targets.end());
}

TEST_F(ConvertConvolution, ATuckerFormIsMultipliedOut) {
  const Tensors tensors = {{kKohyaConv + ".lora_down.weight", at::randn({3, 64, 1, 1})},
                           {kKohyaConv + ".lora_mid.weight", at::randn({2, 3, 3, 3})},
                           {kKohyaConv + ".lora_up.weight", at::randn({128, 2, 1, 1})},
                           {kKohyaConv + ".alpha", at::scalar_tensor(1.5f)}};
  const Tensors file = read_tensors(run(tensors, "diffusers").path);
  EXPECT_EQ(file.size(), 2u);
  // Three convolutions in a row, of which the file has two.
  const at::Tensor x = at::randn({1, 64, 5, 5});
  const at::Tensor three =
      0.5 * at::conv2d(at::conv2d(at::conv2d(x, tensors.at(kKohyaConv + ".lora_down.weight")),
                                  tensors.at(kKohyaConv + ".lora_mid.weight")),
                       tensors.at(kKohyaConv + ".lora_up.weight"));
  const at::Tensor two = at::conv2d(at::conv2d(x, file.at(kConv + ".lora.down.weight")),
                                    file.at(kConv + ".lora.up.weight"));
  EXPECT_LT(off(two, three), 1e-5);
}

TEST_F(ConvertConvolution, WhatTheFormatsCannotHoldIsNamed) {
  const auto refusal = [&](const Tensors& tensors, const std::string& to) {
    return message_of([&] { run(tensors, to); });
  };
  const Tensors locon = {{kKohyaConv + ".lora_down.weight", at::randn({2, 64, 3, 3})},
                         {kKohyaConv + ".lora_up.weight", at::randn({128, 2, 1, 1})}};
  Tensors other = locon;
  other[kKohyaConv + ".diff_b"] = at::randn({128});
  Tensors input = locon;
  input[kKohyaConv + ".dora_scale"] = at::rand({1, 64, 1, 1}) + 0.5;
  // The matrix has magnitudes, the convolution has none.
  Tensors half = locon;
  half[kKohyaQ + ".lora_down.weight"] = at::randn({2, 128});
  half[kKohyaQ + ".lora_up.weight"] = at::randn({128, 2});
  half[kKohyaQ + ".dora_scale"] = at::rand({128, 1}) + 0.5;
  for (const std::string to : {"diffusers", "peft"}) {
    EXPECT_NE(refusal(other, to).find(kConv + ".bias"), std::string::npos) << refusal(other, to);
    EXPECT_NE(refusal(input, to).find("input feature"), std::string::npos) << refusal(input, to);
    EXPECT_NE(refusal(half, to).find("all or none"), std::string::npos) << refusal(half, to);
    EXPECT_FALSE(fs::exists(folder_.path() / to));
  }
  EXPECT_EQ(refusal(half, "kohya"), "");
}

// A text encoder's LoRA beside a UNet's DoRA: each component has its own use_dora.
TEST_F(ConvertConvolution, ComponentsMayDiffer) {
  const Tensors tensors = {
      {kKohyaConv + ".lora_down.weight", at::randn({2, 64, 3, 3})},
      {kKohyaConv + ".lora_up.weight", at::randn({128, 2, 1, 1})},
      {kKohyaConv + ".dora_scale", at::rand({128, 1, 1, 1}) + 0.5},
      {"lora_te1_text_model_encoder_layers_0_mlp_fc1.lora_down.weight", at::randn({2, 64})},
      {"lora_te1_text_model_encoder_layers_0_mlp_fc1.lora_up.weight", at::randn({256, 2})}};
  const ConvertReport report = run(tensors, "diffusers");
  EXPECT_TRUE(report.is_right);
  const auto header =
      nlohmann::json::parse(SafetensorsFile(report.path).metadata().at("lora_adapter_metadata"));
  EXPECT_EQ(header.at("unet.use_dora"), true);
  EXPECT_EQ(header.at("text_encoder.use_dora"), false);
  EXPECT_EQ(read(report.path).modules().size(), 2u);
}

}  // namespace
}  // namespace dorabooth::testing::convert_convolution_test
