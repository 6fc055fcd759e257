// Files of LoHa, LoKr, LoCon, whole differences and bundled embeddings through the pipelines, on
// the bundled base.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "pipelines/analyze.h"
#include "pipelines/convert.h"
#include "pipelines/inspect.h"
#include "pipelines/merge.h"
#include "pipelines/parts/adapter_stack.h"
#include "pipelines/parts/adapter_weights.h"
#include "pipelines/parts/checkpoint_layers.h"
#include "pipelines/parts/tensor_store.h"
#include "pipelines/sample.h"
#include "src/base/error.h"
#include "src/imagefile/image_file.h"
#include "tests/pipelines/example_base.h"
#include "tests/support/fixtures.h"

namespace dorabooth::weight_patch_use_test {
namespace {

namespace fs = std::filesystem;
using testing::base_path;
using testing::message_of;
using testing::Recorder;
using Tensors = std::map<std::string, at::Tensor>;

const std::string kQ = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q";
const std::string kConv = "lora_unet_down_blocks_1_resnets_0_conv1";
const std::string kShortcut = "lora_unet_down_blocks_1_resnets_0_conv_shortcut";
const std::string kNorm = "lora_unet_mid_block_resnets_0_norm1";
const std::string kText = "lora_te1_text_model_encoder_layers_0_mlp_fc1";

class WeightPatchUse : public ::testing::Test {
 protected:
  void SetUp() override { at::manual_seed(9); }

  static at::Tensor small(at::IntArrayRef shape) { return at::randn(shape) * 0.2; }

  // LoHa on a matrix, DoRA over a LoCon, LoKr of a 1×1 convolution, a norm, a bias, a text encoder.
  static Tensors numbers() {
    return {{kQ + ".hada_w1_a", small({128, 4})},
            {kQ + ".hada_w1_b", small({4, 128})},
            {kQ + ".hada_w2_a", small({128, 4})},
            {kQ + ".hada_w2_b", small({4, 128})},
            {kQ + ".alpha", at::scalar_tensor(2.0f)},
            {kConv + ".lora_down.weight", small({4, 64, 3, 3})},
            {kConv + ".lora_up.weight", small({128, 4, 1, 1})},
            {kConv + ".alpha", at::scalar_tensor(4.0f)},
            {kConv + ".dora_scale", at::rand({128, 1, 1, 1}) + 0.5},
            {kConv + ".diff_b", small({128})},
            {kShortcut + ".lokr_w1", small({4, 4})},
            {kShortcut + ".lokr_w2", small({32, 16, 1, 1})},
            {kNorm + ".w_norm", small({128})},
            {kNorm + ".b_norm", small({128})},
            {kText + ".hada_w1_a", small({256, 2})},
            {kText + ".hada_w1_b", small({2, 64})},
            {kText + ".hada_w2_a", small({256, 2})},
            {kText + ".hada_w2_b", small({2, 64})}};
  }

  std::string written(const Tensors& tensors, const std::string& name = "foreign") const {
    const fs::path path = folder_.path() / (name + ".safetensors");
    write_tensors(path, tensors, {});
    return path.string();
  }

  static at::Tensor unet_output(const SdxlBundle& bundle) {
    const at::NoGradGuard no_grad;
    const UNetConfig& config = bundle.unet->config();
    const auto generator = at::detail::createCPUGenerator(3);
    UNetInputs inputs;
    inputs.sample = at::randn({1, config.in_channels, 8, 8}, generator);
    inputs.timesteps = at::full({1}, 500.0);
    inputs.encoder_hidden_states = at::randn({1, 16, config.cross_attention_dim}, generator);
    inputs.text_embeds = at::randn({1, config.pooled_features()}, generator);
    inputs.time_ids = at::full({1, 6}, 64.0);
    return bundle.unet->forward(inputs);
  }

  static double difference(const at::Tensor& a, const at::Tensor& b) {
    return ((a - b).abs().max() / b.abs().max()).item<double>();
  }

  MergeRequest merge_request(const std::vector<std::string>& adapters) const {
    MergeRequest request;
    request.pretrained_model_name_or_path = base_path();
    request.adapter_path = adapters;
    request.dtype = "fp32";
    request.output_dir = (folder_.path() / "merged").string();
    return request;
  }

  testing::TemporaryFolder folder_;
  Recorder recorder_;
};

TEST_F(WeightPatchUse, TheBaseIsTheSameBitForBitAfterwards) {
  const std::string adapter = written(numbers());
  for (const char* storage : {"none", "nf4", "int8", "fp8"}) {
    LoadOptions options;
    options.storage = parse_weight_storage(storage);
    const SdxlBundle bundle = load_bundle(base_path(), options);
    const at::Tensor before = unet_output(bundle);
    {
      AdapterStack stack({parse_adapter_argument(adapter)}, StrengthRule::kPeft, bundle);
      EXPECT_TRUE(stack.touches_text_encoders());
      const AttachedStack attached = stack.attach();
      EXPECT_GT(difference(unet_output(bundle), before), 0.01);
    }
    EXPECT_TRUE(at::equal(unet_output(bundle), before)) << storage;
  }
}

TEST_F(WeightPatchUse, AMergedModelComputesWhatThePatchedOneDoes) {
  const std::string foreign = written(numbers()) + ":0.5";
  // On the same matrix as the LoHa, so that the order of the two matters.
  const std::string dora = testing::write_random_adapter(folder_.path() / "dora.safetensors",
                                                         "dora", /*text_encoders=*/true, 4);
  for (const char* rule : {"peft", "lerp"}) {
    SCOPED_TRACE(rule);
    MergeRequest request = merge_request({foreign, dora});
    request.strength_rule = rule;
    const MergeReport report = merge(request, recorder_, {});
    EXPECT_LT(report.largest_forward_error, 1e-5);
    ASSERT_TRUE(report.largest_pixel_difference.has_value());
    EXPECT_LE(*report.largest_pixel_difference, 1);
    const SdxlBundle base = load_bundle(base_path(), LoadOptions());
    AdapterStack stack({parse_adapter_argument(foreign), parse_adapter_argument(dora)},
                       parse_strength_rule(rule), base);
    const AttachedStack attached = stack.attach();
    const SdxlBundle merged = load_bundle(report.path, LoadOptions());
    EXPECT_LT(difference(unet_output(merged), unet_output(base)), 1e-5);
    std::vector<std::string> names;
    for (const MergedLayer& layer : report.layers) names.push_back(layer.module);
    EXPECT_NE(std::ranges::find(names, "unet.down_blocks.1.resnets.0.conv1.bias"), names.end());
    EXPECT_NE(std::ranges::find(names, "text_encoder.text_model.encoder.layers.0.mlp.fc1"),
              names.end());
  }
}

TEST_F(WeightPatchUse, PicturesShowThePatchesAndTheNextOnesDoNot) {
  SampleRequest request;
  request.pretrained_model_name_or_path = base_path();
  request.prompt = {"icon of a cat"};
  request.num_inference_steps = 2;
  request.device = "cpu";
  ResidentBase resident;
  std::vector<Image> pictures;
  for (const bool with : {false, true, false}) {
    request.output_dir = (folder_.path() / std::to_string(pictures.size())).string();
    request.adapter_path.clear();
    if (with) request.adapter_path.push_back(written(numbers()));
    const SampleReport report = sample(request, recorder_, {}, &resident);
    pictures.push_back(read_picture(report.pictures.at(0).path).image);
  }
  EXPECT_NE(pictures[0].rgb_hwc, pictures[1].rgb_hwc);
  EXPECT_EQ(pictures[0].rgb_hwc, pictures[2].rgb_hwc);
}

TEST_F(WeightPatchUse, UnknownKeysAreRefusedOrListed) {
  Tensors tensors = numbers();
  tensors["lora_unet_nowhere.hada_w1_a"] = at::ones({1});
  const std::string adapter = written(tensors);
  MergeRequest request = merge_request({adapter});
  EXPECT_NE(message_of([&] { merge(request, recorder_, {}); }).find("lora_unet_nowhere.hada_w1_a"),
            std::string::npos);
  request.ignore_unknown = true;
  const MergeReport report = merge(request, recorder_, {});
  EXPECT_EQ(report.ignored_keys, std::vector<std::string>{"lora_unet_nowhere.hada_w1_a"});
  bool warned = false;
  for (const LogEvent& event : recorder_.all<LogEvent>()) {
    warned |= event.level == LogLevel::kWarning &&
              event.text.find("lora_unet_nowhere.hada_w1_a") != std::string::npos;
  }
  EXPECT_TRUE(warned);
}

TEST_F(WeightPatchUse, ConvertKeepsPatchesForReadersThatKnowThem) {
  const std::string adapter = written(numbers());
  const Checkpoint base = Checkpoint::open(base_path());
  std::vector<std::unique_ptr<nn::Linear>> owned;
  const LinearLayers layers = checkpoint_layers(base, owned);
  const ParameterShapes shapes = checkpoint_shapes(base);
  const AdapterContents want = read_adapter_contents(adapter, layers, shapes);
  ConvertRequest request;
  request.adapter_path = adapter;
  request.pretrained_model_name_or_path = base_path();
  for (const char* to : {"kohya", "kohya-sgm"}) {
    request.to = to;
    request.output = (folder_.path() / concat(to, ".safetensors")).string();
    const ConvertReport report = convert(request, recorder_, {});
    const AdapterContents own = read_adapter_contents(report.path, layers, shapes);
    ASSERT_EQ(own.patches.size(), want.patches.size());
    for (const WeightPatch& patch : want.patches) {
      const at::Tensor weight = at::randn(patch.shape);
      const WeightPatch* again = own.find_patch(patch.parameter);
      ASSERT_NE(again, nullptr) << patch.parameter;
      EXPECT_TRUE(at::equal(patched(*again, weight, 1.0, StrengthRule::kPeft),
                            patched(patch, weight, 1.0, StrengthRule::kPeft)));
    }
  }
  request.to = "diffusers";
  const std::string message = message_of([&] { convert(request, recorder_, {}); });
  EXPECT_NE(message.find("cannot hold"), std::string::npos) << message;
}

TEST_F(WeightPatchUse, ComfyUisRuleOnTheWrittenScaleGivesTheDoraOfAConvolution) {
  Tensors tensors = numbers();
  const std::string adapter = written(tensors);
  ConvertRequest request;
  request.adapter_path = adapter;
  request.pretrained_model_name_or_path = base_path();
  request.to = "comfyui";
  request.output = (folder_.path() / "comfyui.safetensors").string();
  convert(request, recorder_, {});
  const Tensors written = read_tensors(*request.output);
  const std::string stem = "lora_unet_input_blocks_4_0_in_layers_2";
  const Checkpoint base = Checkpoint::open(base_path());
  const at::Tensor weight = base_weight(base, "unet.down_blocks.1.resnets.0.conv1");
  const at::Tensor update = written.at(stem + ".lora_up.weight")
                                .flatten(1)
                                .mm(written.at(stem + ".lora_down.weight").flatten(1))
                                .reshape(weight.sizes());
  // comfy/weight_adapter/base.py: by rows it divides by the norm of W alone, plus fp32's epsilon.
  const auto norms = [](const at::Tensor& x) {
    return x.flatten(1).norm(2, {1}).reshape({-1, 1, 1, 1});
  };
  const at::Tensor comfyui = (weight + update) * written.at(stem + ".dora_scale") /
                             (norms(weight) + std::numeric_limits<float>::epsilon());
  const at::Tensor dora =
      (weight + update) * tensors.at(kConv + ".dora_scale") / norms(weight + update);
  EXPECT_LT(difference(comfyui, dora), 1e-5);
}

TEST_F(WeightPatchUse, TheNearestLoraOfFullRankIsTheSameChange) {
  Tensors tensors = numbers();
  ConvertRequest request;
  request.adapter_path = written(tensors);
  request.pretrained_model_name_or_path = base_path();
  request.to = "lora-svd";
  request.rank = 128;
  request.output = (folder_.path() / "lora.safetensors").string();
  EXPECT_NE(message_of([&] { convert(request, recorder_, {}); }).find("no LoRA can stand for"),
            std::string::npos);
  for (const char* ending : {".w_norm", ".b_norm"}) tensors.erase(kNorm + ending);
  tensors.erase(kConv + ".diff_b");
  request.adapter_path = written(tensors);
  const ConvertReport report = convert(request, recorder_, {});
  ASSERT_TRUE(report.residual.has_value());
  EXPECT_LT(*report.residual, 1e-5);
  const SdxlBundle bundle = load_bundle(base_path(), LoadOptions());
  std::vector<at::Tensor> outputs;
  for (const std::string& path : {request.adapter_path, report.path}) {
    AdapterStack stack({parse_adapter_argument(path)}, StrengthRule::kPeft, bundle);
    const AttachedStack attached = stack.attach();
    outputs.push_back(unet_output(bundle));
  }
  EXPECT_LT(difference(outputs[1], outputs[0]), 1e-4);
}

TEST_F(WeightPatchUse, AnalyzeMeasuresPatchedMatricesAndConvolutions) {
  AnalyzeRequest request;
  request.pretrained_model_name_or_path = base_path();
  request.adapter_path = {written(numbers())};
  request.target_modules = {"to_q", "conv1"};
  const AnalyzeReport report = analyze(request, recorder_, {});
  ASSERT_EQ(report.series.size(), 1u);
  ASSERT_EQ(report.series[0].records.size(), 2u);
  for (const LayerChange& record : report.series[0].records) {
    EXPECT_GT(record.output.direction, 0.0) << record.layer;
  }
}

TEST_F(WeightPatchUse, InspectTellsKindsEmbeddingsAndUnknownKeys) {
  Tensors tensors = numbers();
  tensors["bundle_emb.<s0>.clip_l"] = at::ones({1, 64});
  tensors["bundle_emb.<s0>.clip_g"] = at::ones({1, 128});
  tensors["what.is.this"] = at::ones({1});
  InspectRequest request;
  request.path = written(tensors);
  const auto fact = [](const InspectReport& report, const std::string& name) {
    return nlohmann::json::parse(report.json).at("facts").value(name, "");
  };
  InspectReport report = inspect(request);
  EXPECT_EQ(report.kind, "adapter");
  EXPECT_EQ(fact(report, "bundled embeddings"), "<s0>");
  EXPECT_EQ(report.problems, std::vector<std::string>{"unknown key what.is.this"});
  request.ignore_unknown = true;
  request.pretrained_model_name_or_path = base_path();
  report = inspect(request);
  EXPECT_TRUE(report.problems.empty()) << report.json;
  EXPECT_EQ(fact(report, "ignored keys"), "what.is.this");
  EXPECT_NE(fact(report, "kinds").find("LoCon with magnitudes"), std::string::npos);
  EXPECT_NE(fact(report, "fits the base").find("5 modules"), std::string::npos)
      << fact(report, "fits the base");
}

TEST_F(WeightPatchUse, ABundledEmbeddingIsKnownInPromptsByItsPlaceholder) {
  Tensors tensors = {{kQ + ".lora_down.weight", at::zeros({1, 128})},
                     {kQ + ".lora_up.weight", at::zeros({128, 1})},
                     {"bundle_emb.<s0>.clip_l", at::randn({2, 64})},
                     {"bundle_emb.<s0>.clip_g", at::randn({2, 128})}};
  SampleRequest request;
  request.pretrained_model_name_or_path = base_path();
  request.num_inference_steps = 2;
  request.device = "cpu";
  request.output_dir = (folder_.path() / "out").string();
  request.prompt = {"icon of <s0>", "icon of a cat"};
  const auto draw = [&] {
    std::vector<Image> pictures;
    for (const SampledPicture& picture : sample(request, recorder_, {}).pictures) {
      pictures.push_back(read_picture(picture.path).image);
    }
    return pictures;
  };
  const std::vector<Image> base = draw();
  request.adapter_path = {written(tensors)};
  recorder_.events.clear();
  const std::vector<Image> bundled = draw();
  EXPECT_NE(base[0].rgb_hwc, bundled[0].rgb_hwc);
  EXPECT_EQ(base[1].rgb_hwc, bundled[1].rgb_hwc);
  for (const LogEvent& event : recorder_.all<LogEvent>()) {
    EXPECT_NE(event.level, LogLevel::kWarning) << event.text;
  }
  // The same as the embedding in a file of its own.
  const fs::path own = folder_.path() / "own.safetensors";
  write_tensors(own,
                {{"clip_l", tensors.at("bundle_emb.<s0>.clip_l")},
                 {"clip_g", tensors.at("bundle_emb.<s0>.clip_g")}},
                {});
  request.adapter_path.clear();
  request.embedding = {own.string() + ":token=<s0>"};
  EXPECT_EQ(draw()[0].rgb_hwc, bundled[0].rgb_hwc);
}

}  // namespace
}  // namespace dorabooth::weight_patch_use_test
