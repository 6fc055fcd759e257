// What is read out of files that hold more than LoRA on linear layers, and how it is told apart.
#include "src/adapter/adapter_contents.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <set>
#include <tuple>

#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "tests/adapter/base_layers.h"
#include "tests/support/fixtures.h"

namespace dorabooth::testing::adapter_contents_test {
namespace {

using Tensors = std::map<std::string, at::Tensor>;
using Shape = std::vector<int64_t>;

const std::string kBlock = "unet.down_blocks.1.";
const std::string kQ = kBlock + "attentions.0.transformer_blocks.0.attn1.to_q";
const std::string kFf = kBlock + "attentions.0.transformer_blocks.0.ff.net.2";
const std::string kConv = kBlock + "resnets.0.conv1";
const std::string kNorm = kBlock + "resnets.0.norm1";
// The same in kohya's names.
const std::string kKohyaQ = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q";
const std::string kKohyaFf = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_ff_net_2";
const std::string kKohyaConv = "lora_unet_input_blocks_4_0_in_layers_2";
const std::string kKohyaNorm = "lora_unet_down_blocks_1_resnets_0_norm1";

class AdapterContentsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    at::manual_seed(5);
    base_.add(kQ, 8, 8);
    base_.add(kFf, 8, 12);
    for (const auto& [name, layer] : base_.layers) {
      shapes_[name + ".weight"] = {layer->out_features(), layer->in_features()};
      shapes_[name + ".bias"] = {layer->out_features()};
    }
    shapes_[kConv + ".weight"] = {8, 4, 3, 3};
    shapes_[kConv + ".bias"] = {8};
    shapes_[kNorm + ".weight"] = {8};
    shapes_[kNorm + ".bias"] = {8};
  }

  std::filesystem::path written(const Tensors& tensors,
                                const std::map<std::string, std::string>& metadata = {}) const {
    const auto path = folder_.path() / "x.safetensors";
    write_tensor_file(path, tensors, metadata);
    return path;
  }
  AdapterContents read(const Tensors& tensors, const ReadingOptions& options = {},
                       const std::map<std::string, std::string>& metadata = {}) const {
    return read_adapter_contents(written(tensors, metadata), base_.layers, shapes_, options);
  }
  void expect_refused(const Tensors& tensors, const std::string& words,
                      const ReadingOptions& options = {}) const {
    const std::string message = message_of([&] { read(tensors, options); });
    EXPECT_NE(message.find(words), std::string::npos) << message;
    EXPECT_NE(message.find("x.safetensors"), std::string::npos) << message;
  }

  static Tensors loha(const std::string& stem, int64_t out, int64_t in) {
    return {{stem + ".hada_w1_a", at::randn({out, 2})},
            {stem + ".hada_w1_b", at::randn({2, in})},
            {stem + ".hada_w2_a", at::randn({out, 2})},
            {stem + ".hada_w2_b", at::randn({2, in})},
            {stem + ".alpha", at::scalar_tensor(1.0)}};
  }
  static Tensors locon(const std::string& stem) {
    return {{stem + ".lora_down.weight", at::randn({2, 4, 3, 3})},
            {stem + ".lora_up.weight", at::randn({8, 2, 1, 1})},
            {stem + ".alpha", at::scalar_tensor(3.0)}};
  }
  static Tensors pair(const std::string& stem, int64_t out, int64_t in) {
    return {{stem + ".lora_down.weight", at::randn({2, in})},
            {stem + ".lora_up.weight", at::randn({out, 2})},
            {stem + ".alpha", at::scalar_tensor(1.0)}};
  }
  static Tensors together(std::initializer_list<Tensors> parts) {
    Tensors all;
    for (const Tensors& part : parts) all.insert(part.begin(), part.end());
    return all;
  }

  TemporaryFolder folder_;
  BaseLayers base_;
  ParameterShapes shapes_;
};

TEST_F(AdapterContentsTest, PairsOnLinearLayersStayAdaptersAndTheRestArePatches) {
  Tensors tensors = together({pair(kKohyaQ, 8, 8), loha(kKohyaFf, 8, 12), locon(kKohyaConv)});
  tensors[kKohyaNorm + ".w_norm"] = at::randn({8});
  tensors[kKohyaNorm + ".b_norm"] = at::randn({8});
  tensors[kKohyaConv + ".diff_b"] = at::randn({8});
  const AdapterContents contents = read(tensors);
  EXPECT_EQ(contents.file.modules.size(), 1u);
  EXPECT_EQ(contents.file.modules.at(kQ).alpha, 1.0);
  EXPECT_EQ(contents.patches.size(), 5u);
  EXPECT_EQ(contents.modules(), (std::vector<std::string>{kQ, kFf, kConv, kNorm}));
  const WeightPatch* conv = contents.find_patch(kConv + ".weight");
  ASSERT_NE(conv, nullptr);
  EXPECT_EQ(conv->title(), "LoCon");
  EXPECT_EQ(conv->scale, 1.5);  // alpha 3 of rank 2
  EXPECT_EQ(contents.find_patch(kFf + ".weight")->title(), "LoHa");
  const at::Tensor base = at::randn({8});
  EXPECT_TRUE(
      at::allclose(patched(*contents.find_patch(kConv + ".bias"), base, 1.0, StrengthRule::kPeft),
                   base + tensors.at(kKohyaConv + ".diff_b")));
}

TEST_F(AdapterContentsTest, AFactoredKroneckerProductHasAlphaAndAWholeOneNone) {
  Tensors tensors = {
      {kKohyaQ + ".lokr_w1", at::randn({2, 4})},    {kKohyaQ + ".lokr_w2", at::randn({4, 2})},
      {kKohyaQ + ".alpha", at::scalar_tensor(5.0)}, {kKohyaFf + ".lokr_w1", at::randn({2, 4})},
      {kKohyaFf + ".lokr_w2_a", at::randn({4, 1})}, {kKohyaFf + ".lokr_w2_b", at::randn({1, 3})},
      {kKohyaFf + ".alpha", at::scalar_tensor(0.5)}};
  const AdapterContents contents = read(tensors);
  EXPECT_EQ(contents.find_patch(kQ + ".weight")->scale, 1.0);
  EXPECT_EQ(contents.find_patch(kFf + ".weight")->scale, 0.5);
}

TEST_F(AdapterContentsTest, SquareWeightsWithAColumnAndWithARowOfMagnitudesDiffer) {
  const at::Tensor magnitude = at::rand({8}) + 0.5;
  const at::Tensor base = at::randn({8, 8});
  Tensors tensors = loha(kKohyaQ, 8, 8);
  std::vector<at::Tensor> results;
  for (const Shape& shape : {Shape{8, 1}, Shape{1, 8}}) {
    tensors[kKohyaQ + ".dora_scale"] = magnitude.reshape(shape);
    const AdapterContents contents = read(tensors);
    EXPECT_EQ(contents.patches.at(0).input_axis, shape[0] == 1);
    results.push_back(patched(contents.patches[0], base, 1.0, StrengthRule::kPeft));
    const at::Tensor norms = results.back().norm(2, {shape[0] == 1 ? 0 : 1});
    EXPECT_TRUE(at::allclose(norms, magnitude, 1e-4, 1e-5));
  }
  EXPECT_GT((results[0] - results[1]).abs().max().item<double>(), 0.01);
}

TEST_F(AdapterContentsTest, AnAxisThatTheFileLeavesOpenIsAskedFor) {
  Tensors tensors = loha(kKohyaQ, 8, 8);
  tensors[kKohyaQ + ".dora_scale"] = at::ones({8});
  expect_refused(tensors, "--dora_axis");
  EXPECT_FALSE(read(tensors, {false, "output"}).patches.at(0).input_axis);
  EXPECT_TRUE(read(tensors, {false, "input"}).patches.at(0).input_axis);
  // A layer that is not square decides for all of them, pairs and patches alike.
  Tensors decided = together({tensors, pair(kKohyaFf, 8, 12)});
  decided[kKohyaFf + ".dora_scale"] = at::ones({12});
  const AdapterContents contents = read(decided, {false, "output"});
  EXPECT_TRUE(contents.patches.at(0).input_axis);
  EXPECT_EQ(contents.file.spec.norm_axis, "input");
  decided[kKohyaConv + ".dora_scale"] = at::ones({8, 1, 1, 1});
  decided.merge(locon(kKohyaConv));
  expect_refused(decided, "one axis");
}

TEST_F(AdapterContentsTest, MagnitudesOfConvolutionsAreReadInEverySpelling) {
  for (const auto& [ending, shape, input_axis] :
       {std::tuple{".dora_scale", Shape{8, 1, 1, 1}, false},
        {".dora_scale", Shape{1, 4, 1, 1}, true},
        {".lora_magnitude_vector", Shape{1, 8, 1, 1}, false}}) {
    Tensors tensors = locon(kKohyaConv);
    tensors[kKohyaConv + ending] = at::rand(shape) + 0.5;
    const AdapterContents contents = read(tensors);
    EXPECT_EQ(contents.patches.at(0).magnitude.dim(), 1);
    EXPECT_EQ(contents.patches[0].input_axis, input_axis) << ending;
    EXPECT_EQ(contents.patches[0].title(), "LoCon with magnitudes");
  }
}

TEST_F(AdapterContentsTest, PeftsFoldersMayHoldConvolutionsWithAlphaInTheirConfig) {
  const std::string stem = "base_model.model.down_blocks.1.resnets.0.conv1";
  const Tensors tensors = {{stem + ".lora_A.weight", at::randn({4, 4, 3, 3})},
                           {stem + ".lora_B.weight", at::randn({8, 4, 1, 1})},
                           {stem + ".lora_magnitude_vector", at::rand({1, 8, 1, 1}) + 0.5}};
  write_tensor_file(folder_.path() / "adapter_model.safetensors", tensors);
  const auto config = [&](const std::string& more) {
    write_file_atomically(folder_.path() / "adapter_config.json",
                          R"({"peft_type": "LORA", "r": 4, "lora_alpha": 6,
                              "target_modules": ["conv1"])" +
                              more + "}");
    return read_adapter_contents(folder_.path(), base_.layers, shapes_);
  };
  const AdapterContents contents = config(R"(, "use_dora": true, "use_rslora": true)");
  ASSERT_EQ(contents.patches.size(), 1u);
  EXPECT_EQ(contents.patches[0].scale, 3.0);  // 6/sqrt(4)
  EXPECT_FALSE(contents.patches[0].input_axis);
  EXPECT_TRUE(at::equal(contents.patches[0].magnitude,
                        tensors.at(stem + ".lora_magnitude_vector").flatten()));
  EXPECT_NE(message_of([&] { config(""); }).find("use_dora is false"), std::string::npos);
}

TEST_F(AdapterContentsTest, UnknownKeysAreAnErrorOrAList) {
  Tensors tensors = locon(kKohyaConv);
  tensors["lora_unet_nowhere.lora_up.weight"] = at::ones({1});
  tensors["lora_te_text_model_x.alpha"] = at::ones({1});
  tensors["something"] = at::ones({1});
  expect_refused(tensors, "lora_te_text_model_x.alpha");
  const AdapterContents contents = read(tensors, {true, std::nullopt});
  EXPECT_EQ(contents.patches.size(), 1u);
  EXPECT_EQ(std::set(contents.ignored_keys.begin(), contents.ignored_keys.end()),
            (std::set<std::string>{"lora_unet_nowhere.lora_up.weight", "lora_te_text_model_x.alpha",
                                   "something"}));
  expect_refused({{"something", at::ones({1})}}, "no key of this base", {true, std::nullopt});
}

TEST_F(AdapterContentsTest, WhatDoesNotFitTogetherIsNamed) {
  expect_refused(together({loha(kKohyaQ, 8, 8), pair(kKohyaQ, 8, 8)}), "change the same weight");
  Tensors lonely = {{kKohyaConv + ".alpha", at::scalar_tensor(1.0)}};
  expect_refused(lonely, kKohyaConv + ".alpha");
  Tensors norm = {{kKohyaNorm + ".w_norm", at::ones({7})}};
  expect_refused(norm, kNorm + ".weight");
  expect_refused(pair(kKohyaNorm, 8, 8), "matrices and convolutions");
  Tensors oft = {{kKohyaQ + ".oft_blocks", at::ones({2, 4, 4})}};
  expect_refused(oft, "OFT");
}

TEST_F(AdapterContentsTest, ReadersOfPairsAloneRefuseTheRestByName) {
  const auto message = [&](const Tensors& tensors) {
    return message_of([&] { read_adapter_file(written(tensors), base_.layers); });
  };
  EXPECT_NE(message(loha(kKohyaQ, 8, 8)).find("LoHa"), std::string::npos);
  Tensors biased = pair(kKohyaQ, 8, 8);
  biased[kKohyaQ + ".diff_b"] = at::ones({8});
  EXPECT_NE(message(biased).find("a difference of a bias"), std::string::npos);
  Tensors bundled = pair(kKohyaQ, 8, 8);
  bundled["bundle_emb.<s0>.clip_l"] = at::ones({1, 4});
  EXPECT_NE(message(bundled).find("bundle_emb.<s0>.clip_l"), std::string::npos);
}

TEST_F(AdapterContentsTest, WhatIsWrittenInKohyasNamesComesBackTheSame) {
  Tensors tensors = together({pair(kKohyaQ, 8, 8), loha(kKohyaFf, 8, 12), locon(kKohyaConv)});
  tensors[kKohyaQ + ".dora_scale"] = at::rand({8, 1}) + 0.5;
  tensors[kKohyaFf + ".dora_scale"] = at::rand({8, 1}) + 0.5;
  tensors[kKohyaConv + ".dora_scale"] = at::rand({8, 1, 1, 1}) + 0.5;
  tensors[kKohyaConv + ".diff_b"] = at::randn({8});
  tensors[kKohyaNorm + ".w_norm"] = at::randn({8});
  tensors["bundle_emb.<s0>.clip_l"] = at::randn({1, 4});
  const AdapterContents first = read(tensors);
  for (const BlockNames names : {BlockNames::kSgm, BlockNames::kDiffusers}) {
    const auto path = folder_.path() / "again.safetensors";
    write_kohya_contents(path, first, nullptr, {}, names);
    const AdapterContents second = read_adapter_contents(path, base_.layers, shapes_);
    expect_same_modules(second.file.modules, first.file.modules);
    ASSERT_EQ(second.patches.size(), first.patches.size());
    for (const WeightPatch& want : first.patches) {
      const WeightPatch* own = second.find_patch(want.parameter);
      ASSERT_NE(own, nullptr) << want.parameter;
      EXPECT_EQ(own->scale, want.scale) << want.parameter;
      EXPECT_EQ(own->input_axis, want.input_axis);
      expect_same_bits(own->magnitude, want.magnitude, want.parameter);
      for (const auto& [role, factor] : want.factors) {
        expect_same_bits(own->factors.at(role), factor, want.parameter);
      }
    }
    expect_same_bits(second.embeddings.at("bundle_emb.<s0>.clip_l"),
                     tensors.at("bundle_emb.<s0>.clip_l"), "bundle");
    EXPECT_EQ(second.file.metadata.at("ss_network_module"), "lycoris.kohya");
  }
}

}  // namespace
}  // namespace dorabooth::testing::adapter_contents_test
