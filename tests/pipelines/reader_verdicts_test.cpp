// What is said of readers where an adapter is more than LoRA of matrices, where a reader's formula
// is not known, and where a layer hardly moves.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "pipelines/convert.h"
#include "pipelines/inspect.h"
#include "pipelines/parts/consumer_table.h"
#include "src/base/error.h"
#include "tests/pipelines/example_base.h"
#include "tests/pipelines/small_adapter.h"
#include "tests/support/fixtures.h"

namespace dorabooth::testing::reader_verdicts_test {
namespace {

using Tensors = std::map<std::string, at::Tensor>;

const std::string kQ = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q";
const std::string kConv = "lora_unet_down_blocks_1_resnets_0_conv1";
const std::string kShortcut = "lora_unet_down_blocks_1_resnets_0_conv_shortcut";
const std::string kNorm = "lora_unet_mid_block_resnets_0_norm1";

class ReaderVerdicts : public ::testing::Test {
 protected:
  ReaderVerdicts() { at::manual_seed(8); }

  static at::Tensor small(at::IntArrayRef shape) { return at::randn(shape) * 0.2; }
  static Tensors loha(const std::string& stem) {
    return {{stem + ".hada_w1_a", small({128, 4})},
            {stem + ".hada_w1_b", small({4, 128})},
            {stem + ".hada_w2_a", small({128, 4})},
            {stem + ".hada_w2_b", small({4, 128})},
            {stem + ".alpha", at::scalar_tensor(2.0f)}};
  }
  static Tensors locon(const std::string& stem) {
    return {{stem + ".lora_down.weight", small({4, 64, 3, 3})},
            {stem + ".lora_up.weight", small({128, 4, 1, 1})},
            {stem + ".alpha", at::scalar_tensor(2.0f)}};
  }

  void inspect_file(const Tensors& tensors) {
    const auto path = folder_.path() / "adapter.safetensors";
    write_tensors(path, tensors, {});
    InspectRequest request;
    request.path = path.string();
    request.pretrained_model_name_or_path = base_path();
    report_ = inspect(request);
    EXPECT_TRUE(report_.problems.empty()) << report_.json;
  }
  const ReaderVerdict& of(const std::string& consumer) const {
    return *std::ranges::find(report_.readers, consumer, &ReaderVerdict::consumer);
  }

  TemporaryFolder folder_;
  InspectReport report_;
  Recorder recorder_;
};

TEST_F(ReaderVerdicts, AConvolutionsLoraIsShown) {
  inspect_file(locon(kConv));
  for (const ReaderVerdict& verdict : report_.readers) {
    SCOPED_TRACE(verdict.consumer + ": " + verdict.sentence);
    EXPECT_EQ(verdict.modules, 1);
    if (verdict.consumer == "PEFT") {
      EXPECT_TRUE(verdict.is_wrong);
    } else if (verdict.consumer == "diffusers") {
      EXPECT_EQ(verdict.not_shown, 1);
      EXPECT_FALSE(verdict.is_wrong);
      EXPECT_FALSE(verdict.is_right);
    } else {
      EXPECT_TRUE(verdict.is_right);
    }
  }
}

TEST_F(ReaderVerdicts, ADoraOfAConvolutionIsReadAsThatOfAMatrix) {
  Tensors tensors = locon(kConv);
  const Checkpoint base = Checkpoint::open(base_path());
  const at::Tensor weight = base_weight(base, "unet.down_blocks.1.resnets.0.conv1");
  tensors[kConv + ".dora_scale"] = row_norms(weight) * (1 + 0.2 * at::randn({128, 1, 1, 1}));
  inspect_file(tensors);
  EXPECT_EQ(of("SD.Next").sentence,
            "right at strength 1, other strengths by the interpolating rule");
  EXPECT_EQ(of("LyCORIS' merge").sentence,
            "right at strength 1, other strengths by a rule of its own");
  for (const char* wrong : {"ComfyUI, Forge", "A1111", "InvokeAI", "kohya's merge"}) {
    EXPECT_TRUE(of(wrong).is_wrong) << wrong;
    EXPECT_GT(of(wrong).error, 0.05) << wrong;
  }
}

TEST_F(ReaderVerdicts, WhatIsNotKnownIsNotGuessed) {
  Tensors tensors = loha(kQ);
  tensors[kNorm + ".w_norm"] = small({128});
  tensors[kNorm + ".b_norm"] = small({128});
  tensors[kConv + ".diff_b"] = small({128});
  tensors[kShortcut + ".lokr_w1"] = small({4, 4});
  tensors[kShortcut + ".lokr_w2"] = small({32, 16, 1, 1});
  tensors[kConv + ".diff"] = small({128, 64, 3, 3});
  inspect_file(tensors);
  EXPECT_EQ(of("ComfyUI, Forge").sentence, "right at strength 1 and every other");
  EXPECT_TRUE(of("ComfyUI, Forge").is_right);
  EXPECT_EQ(of("LyCORIS' merge").not_shown, 4);  // the differences of weight, bias and norm
  EXPECT_EQ(of("LyCORIS' merge").applied, 2);
  EXPECT_NE(of("LyCORIS' merge").sentence.find("4 not shown"), std::string::npos)
      << of("LyCORIS' merge").sentence;
  EXPECT_NE(of("LyCORIS' merge").sentence.find("the others right at strength 1"),
            std::string::npos);
  EXPECT_EQ(of("SD.Next").sentence.rfind("not shown: ", 0), 0u) << of("SD.Next").sentence;
  EXPECT_FALSE(of("SD.Next").is_right);
  EXPECT_FALSE(of("SD.Next").is_wrong);
  EXPECT_EQ(of("A1111").applied, 1);  // the whole difference
  EXPECT_EQ(of("PEFT").sentence.rfind("reads none of it", 0), 0u);
  const auto json = nlohmann::json::parse(report_.json).at("consumers");
  EXPECT_EQ(json[2]["layers"].size(), 6u);
  EXPECT_EQ(json[5]["not_shown"], 6);
}

TEST_F(ReaderVerdicts, MagnitudesOverLohaFollowTheSameRules) {
  Tensors tensors = loha(kQ);
  tensors[kQ + ".dora_scale"] = at::rand({128, 1}) + 0.5;
  inspect_file(tensors);
  EXPECT_TRUE(of("LyCORIS' merge").is_right);
  EXPECT_TRUE(of("ComfyUI, Forge").is_wrong);
  // For ComfyUI it can be written.
  ConvertRequest request;
  request.adapter_path = (folder_.path() / "adapter.safetensors").string();
  request.pretrained_model_name_or_path = base_path();
  request.to = "comfyui";
  request.output = (folder_.path() / "comfyui.safetensors").string();
  request.verify = true;
  const ConvertReport report = convert(request, recorder_, {});
  EXPECT_TRUE(report.is_right);
  EXPECT_TRUE(
      std::ranges::find(report.verdicts, "ComfyUI, Forge", &ReaderVerdict::consumer)->is_right);
}

TEST_F(ReaderVerdicts, EmbeddingsInTheFileKeepDiffusersFromIt) {
  Tensors tensors = {{kQ + ".lora_down.weight", small({2, 128})},
                     {kQ + ".lora_up.weight", small({128, 2})},
                     {"bundle_emb.<s0>.clip_l", at::ones({1, 64})},
                     {"bundle_emb.<s0>.clip_g", at::ones({1, 128})}};
  inspect_file(tensors);
  EXPECT_NE(of("diffusers").sentence.find("bundle_emb"), std::string::npos);
  EXPECT_TRUE(of("ComfyUI, Forge").is_right);
}

// A LoRA and a DoRA whose layers move by a ten-millionth of their weights, as those of a text
// encoder do after a short run: what a reader's own arithmetic leaves is no error of the file.
TEST_F(ReaderVerdicts, ALayerThatHardlyMovesIsMeasuredAgainstItsRounding) {
  const Checkpoint base = Checkpoint::open(base_path());
  const at::Tensor weight =
      base_weight(base, "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q");
  Tensors tensors = {{kQ + ".lora_down.weight", small({2, 128})},
                     {kQ + ".lora_up.weight", small({128, 2}) * 1e-6},
                     {kQ + ".dora_scale", row_norms(weight)}};
  inspect_file(tensors);
  EXPECT_TRUE(of("SD.Next").is_right) << of("SD.Next").sentence << of("SD.Next").error;
  EXPECT_TRUE(of("LyCORIS' merge").is_right) << of("LyCORIS' merge").sentence;
  // A magnitude that another reader drops or takes for another still shows, small as it is.
  tensors[kQ + ".dora_scale"] = row_norms(weight) * (1 + 0.01 * at::randn({128, 1}));
  inspect_file(tensors);
  EXPECT_TRUE(of("SD.Next").is_right) << of("SD.Next").sentence;
  for (const char* wrong : {"A1111", "kohya's merge", "diffusers"}) {
    EXPECT_TRUE(of(wrong).is_wrong) << wrong;
    EXPECT_GT(of(wrong).error, 0.5) << wrong;
  }
}

TEST(ShareOfChange, HasAFloorAtTheRoundingOfTheStoredType) {
  // A change that counts is the measure, whatever the type.
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    EXPECT_DOUBLE_EQ(share_of_change(0.05, 0.1, 1.0, dtype), 0.5);
  }
  // bf16 has 8 significant bits, fp16 11, fp32 24: half a unit in the last place.
  EXPECT_DOUBLE_EQ(share_of_change(1e-4, 1e-9, 1.0, DType::kBF16), 1e-4 * 256);
  EXPECT_DOUBLE_EQ(share_of_change(1e-4, 1e-9, 1.0, DType::kF16), 1e-4 * 2048);
  // fp32's own rounding is less than programs that reckon in fp32 can keep: four of them are the
  // limit of what is right.
  const double rounding = 1.0 / 16777216.0;
  EXPECT_LE(share_of_change(4 * rounding, 1e-9, 1.0, DType::kF32), kRightWithin * (1 + 1e-12));
  EXPECT_GT(share_of_change(5 * rounding, 1e-9, 1.0, DType::kF32), kRightWithin);
  EXPECT_EQ(share_of_change(0.0, 0.0, 0.0, DType::kF16), 0.0);
  EXPECT_EQ(share_of_change(1.0, 0.0, 0.0, DType::kF16), 1.0);
  EXPECT_TRUE(std::isnan(share_of_change(std::nan(""), 1.0, 1.0, DType::kF32)));
}

}  // namespace
}  // namespace dorabooth::testing::reader_verdicts_test
