// A file whose magnitudes were written for ComfyUI's rule, as the input of every command that reads
// adapters: over its base it means the DoRA that it was made from.
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include "pipelines/analyze.h"
#include "pipelines/convert.h"
#include "pipelines/extract.h"
#include "pipelines/inspect.h"
#include "pipelines/merge.h"
#include "pipelines/parts/adapter_stack.h"
#include "pipelines/parts/checkpoint_layers.h"
#include "src/base/error.h"
#include "src/tensorfile/safetensors.h"
#include "tests/pipelines/example_base.h"
#include "tests/pipelines/small_adapter.h"
#include "tests/pipelines/training_runs.h"
#include "tests/support/fixtures.h"

namespace dorabooth::testing::comfyui_file_test {
namespace {

namespace fs = std::filesystem;
using Tensors = std::map<std::string, at::Tensor>;

class ComfyUiFile : public ::testing::Test {
 protected:
  void SetUp() override {
    dora_ = adapter_.write(folder_.path() / "dora.safetensors");
    comfyui_ = converted(dora_, "comfyui");
  }

  std::string converted(const std::string& adapter, const std::string& to) {
    ConvertRequest request;
    request.adapter_path = adapter;
    request.pretrained_model_name_or_path = base_path();
    request.to = to;
    request.output = (folder_.path() / (to + ".safetensors")).string();
    request.verify = true;
    const ConvertReport report = convert(request, recorder_, {});
    EXPECT_TRUE(report.is_right) << to;
    return report.path;
  }

  const Checkpoint base_ = Checkpoint::open(base_path());
  const SmallAdapter adapter_{base_};
  TemporaryFolder folder_;
  std::string dora_, comfyui_;
  Recorder recorder_;
};

TEST_F(ComfyUiFile, ConvertGivesTheMagnitudesBack) {
  const Tensors again = read_tensors(converted(comfyui_, "kohya"));
  const Tensors before = read_tensors(dora_);
  const Tensors meanwhile = read_tensors(comfyui_);
  ASSERT_EQ(again.size(), before.size());
  for (const auto& [name, tensor] : before) {
    EXPECT_LT(off(again.at(name), tensor), 1e-6) << name;
    if (name.ends_with(".dora_scale")) {
      EXPECT_FALSE(std::ranges::any_of(
          meanwhile, [&](const auto& item) { return at::equal(item.second, tensor); }));
    }
  }
  // And for ComfyUI once more.
  const Tensors second = read_tensors(converted(converted(comfyui_, "kohya-sgm"), "comfyui"));
  for (const auto& [name, tensor] : meanwhile) EXPECT_LT(off(second.at(name), tensor), 1e-6);
}

TEST_F(ComfyUiFile, InspectGivesVerdictsAndNoProblem) {
  InspectRequest request;
  request.path = comfyui_;
  request.pretrained_model_name_or_path = base_path();
  const InspectReport report = inspect(request);
  EXPECT_TRUE(report.problems.empty()) << report.problems[0];
  ASSERT_EQ(report.readers.size(), 9u);
  for (const ReaderVerdict& verdict : report.readers) {
    SCOPED_TRACE(verdict.consumer + ": " + verdict.sentence);
    EXPECT_EQ(verdict.is_right, verdict.consumer == "ComfyUI, Forge");
    EXPECT_EQ(verdict.modules, 5);
  }
  request.pretrained_model_name_or_path.reset();
  EXPECT_TRUE(inspect(request).problems.empty());
}

TEST_F(ComfyUiFile, MergeAndTheAttachedModelAreThoseOfTheDora) {
  MergeRequest request;
  request.pretrained_model_name_or_path = base_path();
  request.adapter_path = {comfyui_};
  request.layout = "unet";
  request.dtype = "fp32";
  request.output = (folder_.path() / "merged.safetensors").string();
  const Tensors merged = read_tensors(merge(request, recorder_, {}).path);
  for (const auto& [module, own] : adapter_.layers()) {
    if (!module.starts_with("unet.")) continue;
    EXPECT_LT(off(merged.at(module.substr(5) + ".weight").to(at::kDouble),
                  directed(own.m, own.changed())),
              1e-6)
        << module;
  }
  const SdxlBundle bundle = load_bundle(base_path(), LoadOptions());
  std::vector<Tensors> stacks;
  for (const std::string& path : {dora_, comfyui_}) {
    AdapterStack stack({parse_adapter_argument(path)}, StrengthRule::kPeft, bundle);
    Tensors& magnitudes = stacks.emplace_back();
    for (const LoadedAdapter& adapter : stack.adapters()) {
      for (const auto& [module, own] : adapter.set.tensors()) magnitudes[module] = own.m;
      for (const WeightPatch& patch : adapter.patches) magnitudes[patch.module] = patch.magnitude;
    }
  }
  ASSERT_EQ(stacks[0].size(), 5u);
  for (const auto& [module, m] : stacks[0]) EXPECT_LT(off(stacks[1].at(module), m), 1e-6);
}

TEST_F(ComfyUiFile, AnalyzeSeesTheSameChange) {
  AnalyzeRequest request;
  request.pretrained_model_name_or_path = base_path();
  request.adapter_path = {"made=" + comfyui_, "from=" + dora_};
  const AnalyzeReport report = analyze(request, recorder_, {});
  ASSERT_EQ(report.series.size(), 2u);
  ASSERT_FALSE(report.series[0].records.empty());
  for (size_t i = 0; i < report.series[0].records.size(); ++i) {
    EXPECT_NEAR(report.series[0].records[i].output.magnitude,
                report.series[1].records[i].output.magnitude, 1e-5);
    EXPECT_GT(report.series[1].records[i].output.magnitude, 1e-3);
  }
}

TEST_F(ComfyUiFile, ResizeKeepsItsMagnitudes) {
  const SmallAdapter matrices(base_, /*with_convolutions=*/false);
  const std::string dora = matrices.write(folder_.path() / "matrices.safetensors");
  ResizeRequest request;
  request.pretrained_model_name_or_path = base_path();
  request.adapter_path = converted(dora, "comfyui");
  request.rank = 4;
  request.output = (folder_.path() / "resized.safetensors").string();
  resize(request, recorder_, {});
  const Tensors resized = read_tensors(request.output);
  for (const auto& [module, own] : matrices.layers()) {
    const bool unet = module.starts_with("unet.");
    const std::string m = unet ? ".lora_magnitude_vector" : ".lora_magnitude_vector.weight";
    EXPECT_LT(off(resized.at(module + m).to(at::kDouble), own.m), 1e-6) << module;
  }
}

// Its norms are the base's: of another base it is another DoRA, so without one it is refused.
TEST_F(ComfyUiFile, WithoutABaseItIsRefused) {
  std::vector<std::unique_ptr<nn::Linear>> owned;
  const LinearLayers layers = checkpoint_layers(base_, owned);
  const std::string message =
      message_of([&] { read_adapter_contents(comfyui_, layers, checkpoint_shapes(base_)); });
  EXPECT_NE(message.find("the base's weights"), std::string::npos) << message;
}

class ComfyUiFileInTraining : public TrainingTest {};

TEST_F(ComfyUiFileInTraining, ARunBeginsAsItDoesFromTheDora) {
  config_.use_dora = true;
  config_.max_train_steps = 1;
  config_.output_format = "comfyui";
  const TrainReport first = train_into("first", config_);
  config_.output_format = "diffusers";
  config_.learning_rate = 1e-12;
  config_.init_adapter = first.adapters.at(0).converted;
  const TrainReport again = train_into("again", config_);
  const Tensors want = read_tensors(first.adapters.at(0).path);
  for (const auto& [name, tensor] : read_tensors(again.adapters.at(0).path)) {
    EXPECT_LT((tensor - want.at(name)).abs().max().item<double>(),
              1e-5 * want.at(name).abs().max().item<double>() + 1e-9)
        << name;
  }
}

// LoRAs that ComfyUI's own nodes save: bare paths of the UNet, "text_encoders." before the others.
TEST_F(ComfyUiFile, TheNamesOfItsOwnNodesAreRead) {
  const Tensors file = read_tensors(dora_);
  Tensors own;
  const auto take = [&](const std::string& from, const std::string& to) {
    for (const char* ending : {".lora_down.weight", ".lora_up.weight", ".alpha"})
      own[to + ending] = file.at(from + ending);
  };
  take("lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q",
       "diffusion_model.middle_block.1.transformer_blocks.0.attn1.to_q");
  take("lora_unet_down_blocks_1_resnets_0_conv1", "diffusion_model.input_blocks.4.0.in_layers.2");
  take("lora_te2_text_model_encoder_layers_0_mlp_fc1",
       "text_encoders.clip_g.transformer.text_model.encoder.layers.0.mlp.fc1");
  const fs::path path = folder_.path() / "nodes.safetensors";
  write_tensors(path, own, {});
  InspectRequest request;
  request.path = path.string();
  request.pretrained_model_name_or_path = base_path();
  const InspectReport report = inspect(request);
  EXPECT_TRUE(report.problems.empty()) << report.problems[0];
  EXPECT_NE(report.summary.find("comfyui names"), std::string::npos) << report.summary;
  for (const ReaderVerdict& verdict : report.readers) {
    EXPECT_EQ(verdict.is_right, verdict.consumer == "ComfyUI, Forge") << verdict.consumer;
  }
  const Tensors again = read_tensors(converted(path.string(), "kohya"));
  for (const auto& [name, tensor] : again) EXPECT_LT(off(tensor, file.at(name)), 1e-6) << name;
  EXPECT_EQ(again.size(), own.size());
}

}  // namespace
}  // namespace dorabooth::testing::comfyui_file_test
