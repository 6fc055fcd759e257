// Adapters written again for other programs on the small base: read back they mean the same, and
// the replayed readers agree.
#include "pipelines/convert.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "pipelines/parts/adapter_weights.h"
#include "pipelines/parts/checkpoint_layers.h"
#include "src/adapter/adapter_file.h"
#include "src/base/error.h"
#include "src/device/adapter_core_choice.h"
#include "tests/pipelines/example_base.h"
#include "tests/support/fixtures.h"

namespace dorabooth::convert_test {
namespace {

namespace fs = std::filesystem;
using testing::message_of;

class Convert : public ::testing::Test {
 protected:
  // A trained adapter on the attention projections of UNet and text encoders.
  fs::path write_adapter(AdapterSpec spec) {
    spec.rank = 4;
    spec.target_modules = {"unet.mid_block*to_q", "unet.mid_block*to_k",
                           "text_encoder.*.layers.0.*q_proj", "text_encoder_2.*.layers.0.*q_proj"};
    std::map<std::string, AdapterTensors> modules;
    at::manual_seed(5);
    for (const auto& [name, layer] : layers_) {
      if (!spec.targets(name)) continue;
      AdapterTensors& own = modules[name];
      own.a = at::randn({4, layer->in_features()}) * 0.1;
      own.b = at::randn({layer->out_features(), 4}) * 0.1;
      own.alpha = spec.alpha.value_or(4.0);
      if (spec.kind != "dora") continue;
      const at::Tensor weight = base_weight(base_, name);
      const int64_t axis = spec.norm_axis == "output" ? 1 : 0;
      own.m = weight.norm(2, {axis}) * (1 + 0.1 * at::randn({weight.size(1 - axis)}));
    }
    const fs::path path = folder_.path() / "adapter.safetensors";
    write_adapter_file(path, spec, modules, {{"modelspec.author", "someone"}});
    return path;
  }

  ConvertRequest request(const fs::path& adapter, const std::string& to) {
    ConvertRequest request;
    request.adapter_path = adapter.string();
    request.to = to;
    request.pretrained_model_name_or_path = base_path_;
    const std::string output = (folder_.path() / ("for_" + to)).string();
    (to == "peft" ? request.output_dir : request.output) = output;
    request.verify = true;
    return request;
  }

  ConvertReport run(const ConvertRequest& request) {
    testing::Recorder silent;
    return convert(request, silent, {});
  }

  // Every layer's merged weight is that of `adapter`.
  void expect_same_weights(const fs::path& file, const fs::path& adapter) {
    const AdapterFile want = read_adapter_file(adapter, layers_);
    AdapterFile actual;
    if (fs::is_directory(file)) {
      for (const auto& folder : fs::directory_iterator(file)) {
        AdapterFile one = read_adapter_file(folder.path(), layers_);
        for (const auto& [module, own] : one.modules) expect_same_layer(one, want, module);
        actual.modules.merge(one.modules);
      }
    } else {
      actual = read_adapter_file(file, layers_);
      for (const auto& [module, own] : actual.modules) expect_same_layer(actual, want, module);
    }
    EXPECT_EQ(actual.modules.size(), want.modules.size());
  }

  void expect_same_layer(const AdapterFile& actual, const AdapterFile& want,
                         const std::string& module) {
    const at::Tensor weight = base_weight(base_, module);
    for (const double strength : {0.5, 1.0}) {
      const at::Tensor a = AdaptedWeight(actual, module, weight).merged(strength);
      const at::Tensor b = AdaptedWeight(want, module, weight).merged(strength);
      EXPECT_TRUE(at::allclose(a, b, 1e-5, 1e-6)) << module;
    }
  }

  static std::string verdict(const ConvertReport& report, const std::string& consumer) {
    for (const ReaderVerdict& one : report.verdicts) {
      if (one.consumer == consumer) return one.sentence;
    }
    return "no verdict";
  }
  static bool is_right(const ConvertReport& report, const std::string& consumer) {
    for (const ReaderVerdict& one : report.verdicts) {
      if (one.consumer == consumer) return one.is_right;
    }
    return false;
  }

  const std::string base_path_ = testing::base_path();
  const Checkpoint base_ = Checkpoint::open(base_path_);
  std::vector<std::unique_ptr<nn::Linear>> shapes_;
  const LinearLayers layers_ = checkpoint_layers(base_, shapes_);
  testing::TemporaryFolder folder_;
};

AdapterSpec spec_of(const std::string& kind, const std::string& axis = "output",
                    std::optional<double> alpha = std::nullopt, bool rslora = false) {
  AdapterSpec spec;
  spec.kind = kind;
  spec.norm_axis = axis;
  spec.alpha = alpha;
  spec.use_rslora = rslora;
  return spec;
}

TEST_F(Convert, EverySpellingMeansTheSame) {
  for (const AdapterSpec& spec :
       {spec_of("lora"), spec_of("lora", "output", 3.0), spec_of("lora", "output", 3.0, true),
        spec_of("dora"), spec_of("dora", "output", 6.0, true)}) {
    const fs::path adapter = write_adapter(spec);
    for (const std::string to : {"diffusers", "peft", "kohya", "kohya-sgm"}) {
      SCOPED_TRACE(spec.kind + " " + to);
      const ConvertReport report = run(request(adapter, to));
      EXPECT_TRUE(report.is_right);
      EXPECT_EQ(report.modules, 6);
      expect_same_weights(report.path, adapter);
    }
  }
}

TEST_F(Convert, EachReaderIsRightAboutTheFileMadeForIt) {
  const fs::path adapter = write_adapter(spec_of("dora"));
  const ConvertReport diffusers = run(request(adapter, "diffusers"));
  EXPECT_EQ(verdict(diffusers, "diffusers"), "right at strength 1, other strengths by PEFT's rule");
  EXPECT_FALSE(is_right(diffusers, "PEFT"));
  EXPECT_FALSE(is_right(diffusers, "ComfyUI, Forge"));
  const ConvertReport peft = run(request(adapter, "peft"));
  EXPECT_TRUE(is_right(peft, "PEFT"));
  EXPECT_FALSE(is_right(peft, "diffusers"));
  const ConvertReport kohya = run(request(adapter, "kohya-sgm"));
  EXPECT_EQ(verdict(kohya, "SD.Next"),
            "right at strength 1, other strengths by the interpolating rule");
  EXPECT_EQ(verdict(kohya, "LyCORIS' merge"),
            "right at strength 1, other strengths by a rule of its own");
  for (const char* wrong : {"diffusers", "ComfyUI, Forge", "A1111", "InvokeAI", "kohya's merge",
                            "stable-diffusion.cpp"}) {
    EXPECT_FALSE(is_right(kohya, wrong)) << wrong;
  }
  const ConvertReport comfyui = run(request(adapter, "comfyui"));
  EXPECT_EQ(verdict(comfyui, "ComfyUI, Forge"),
            "right at strength 1, other strengths by the interpolating rule");
  EXPECT_FALSE(is_right(comfyui, "SD.Next"));
  const auto json = nlohmann::json::parse(comfyui.verdicts_json);
  EXPECT_EQ(json[2]["layers"].size(), 6u);
  for (const ConvertReport* report : {&diffusers, &peft, &kohya, &comfyui}) {
    EXPECT_TRUE(report->is_right);
  }
}

TEST_F(Convert, AMagnitudePerInputFeatureIsRightInTheUserInterfaces) {
  const fs::path adapter = write_adapter(spec_of("dora", "input"));
  const ConvertReport report = run(request(adapter, "comfyui"));
  for (const char* right : {"ComfyUI, Forge", "A1111", "InvokeAI", "SD.Next"}) {
    EXPECT_TRUE(is_right(report, right)) << right;
  }
  expect_same_weights(report.path, adapter);
  for (const std::string to : {"diffusers", "peft"}) {
    EXPECT_NE(message_of([&] { run(request(adapter, to)); }).find("input feature"),
              std::string::npos);
  }
}

TEST_F(Convert, AFileForOneReaderIsReadByNoOther) {
  const fs::path adapter = write_adapter(spec_of("dora"));
  const ConvertReport report = run(request(adapter, "comfyui"));
  const std::string message = message_of([&] { read_adapter_file(report.path, layers_); });
  EXPECT_NE(message.find("ComfyUI"), std::string::npos) << message;
}

TEST_F(Convert, ALoraOfEnoughRankHoldsADora) {
  const fs::path adapter = write_adapter(spec_of("dora"));
  ConvertRequest small = request(adapter, "lora-svd");
  small.rank = 8;
  const ConvertReport of_eight = run(small);
  EXPECT_GT(*of_eight.residual, 0.01);
  EXPECT_LE(*of_eight.residual, of_eight.worst_residual);
  EXPECT_FALSE(is_right(of_eight, "A1111"));
  small.rank = 4096;  // at most the layers' own
  const ConvertReport whole = run(small);
  EXPECT_LT(*whole.residual, 1e-5);
  for (const char* right :
       {"diffusers", "ComfyUI, Forge", "A1111", "kohya's merge", "stable-diffusion.cpp"}) {
    EXPECT_EQ(verdict(whole, right),
              "right at strength 1, other strengths by the interpolating rule")
        << right;
  }
}

TEST_F(Convert, WhoMadeItIsKept) {
  const fs::path adapter = write_adapter(spec_of("lora"));
  const ConvertReport report = run(request(adapter, "kohya"));
  const AdapterFile file = read_adapter_file(report.path, layers_);
  EXPECT_EQ(file.metadata.at("modelspec.author"), "someone");
  EXPECT_EQ(file.metadata.at("ss_network_module"), "networks.lora");
  EXPECT_EQ(file.metadata.count("lora_adapter_metadata"), 0u);
}

TEST_F(Convert, WrongRequestsAreRefused) {
  const fs::path adapter = write_adapter(spec_of("lora"));
  ConvertRequest own = request(adapter, "kohya");
  own.output = adapter.string();
  EXPECT_NE(message_of([&] { run(own); }).find("the adapter itself"), std::string::npos);
  ConvertRequest folder = request(adapter, "peft");
  folder.output = "x";
  EXPECT_THROW(run(folder), UsageError);
  ConvertRequest nowhere = request(adapter, "kohya");
  nowhere.output.reset();
  EXPECT_THROW(run(nowhere), UsageError);
}

}  // namespace
}  // namespace dorabooth::convert_test
