// Outputs, gradients and merged weights of the whole models with the fixtures' adapters.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "src/adapter/adapter_file.h"
#include "src/device/adapter_core_choice.h"
#include "src/model/bundle.h"
#include "src/model/prompt_encoding.h"
#include "tests/support/fixtures.h"
#include "tests/support/golden_tensors.h"

namespace dorabooth::adapter_golden_test {
namespace {

using nlohmann::json;
using testing::expect_close;
using testing::expect_close_to_largest;
using testing::fixture_json;
using testing::fixture_path;
using testing::GoldenFile;

// Section 13.
constexpr double kOutputAtol = 5e-5;
constexpr double kOutputRtol = 1e-4;
constexpr double kGradientFraction = 3e-4;
constexpr double kMergedAtol = 2e-6;

const SdxlBundle& bundle() {
  static const SdxlBundle loaded = load_bundle(fixture_path("tiny_sdxl"), LoadOptions());
  return loaded;
}

AdapterSet load(const std::string& kind, const std::string& ending) {
  return load_adapter_set(fixture_path("adapters/diffusers_" + kind + ending),
                          bundle().linear_layers(), adapter_core(bundle().device));
}

at::Tensor run_unet(const GoldenFile& golden) {
  UNetInputs inputs;
  inputs.sample = golden.at("in.sample");
  inputs.timesteps = golden.at("in.timesteps");
  inputs.encoder_hidden_states = golden.at("in.encoder_hidden_states");
  inputs.text_embeds = golden.at("in.text_embeds");
  inputs.time_ids = golden.at("in.time_ids");
  return bundle().unet->forward(inputs);
}

PromptEmbeds run_text_encoders(const GoldenFile& golden) {
  return encode_tokens(bundle(), {golden.at("in.te1.ids"), golden.at("in.te2.ids"), 1});
}

void check_outputs(const GoldenFile& golden, const std::string& name) {
  const at::NoGradGuard no_grad;
  const auto compare = [&](const at::Tensor& value, const std::string& tensor) {
    expect_close(value, golden.at(tensor), kOutputAtol, kOutputRtol, tensor);
  };
  compare(run_unet(golden), "unet." + name + ".out");
  const PromptEmbeds embeds = run_text_encoders(golden);
  compare(embeds.prompt_embeds, "te." + name + ".prompt_embeds");
  compare(embeds.pooled, "te." + name + ".pooled");
}

// "text_encoder:text_model.….k_proj.A" -> the parameter's name here.
std::set<std::string> without_gradient(const json& kind) {
  std::set<std::string> names;
  for (std::string name : kind.at("te_without_gradient").get<std::vector<std::string>>()) {
    names.insert(name.replace(name.find(':'), 1, "."));
  }
  return names;
}

// The fixture's name of a parameter's gradient.
std::string gradient_name(const std::string& parameter) {
  const size_t dot = parameter.find('.');
  const std::string component = parameter.substr(0, dot);
  const std::string rest = parameter.substr(dot);
  if (component == "unet") return "unet.grad" + rest;
  return (component == "text_encoder" ? "te.grad.te1" : "te.grad.te2") + rest;
}

class AdapterGolden : public ::testing::TestWithParam<std::string> {
 protected:
  const std::string kind_ = GetParam();
  const GoldenFile golden_{"adapters/outputs_" + kind_ + ".safetensors"};

  json numbers() const {
    const json kinds = fixture_json("adapters/adapters.json").at("kinds");
    for (const json& one : kinds) {
      if (one.at("kind") == kind_) return one;
    }
    ADD_FAILURE() << "adapters.json lacks " << kind_;
    return {};
  }
};

TEST_P(AdapterGolden, OutputsAtEveryScaleEqualTheReference) {
  AdapterSet set = load(kind_, ".safetensors");
  const std::vector<std::pair<std::string, double>> scales = {
      {"s1", 1.0}, {"s2", numbers().at("scale2").get<double>()}, {"s0", 0.0}};
  for (const auto& [name, strength] : scales) {
    set.set_strength(strength, StrengthRule::kPeft);
    const AttachScope attached = set.attach();
    check_outputs(golden_, name);
  }
  const at::NoGradGuard no_grad;
  expect_close(run_unet(golden_), golden_.at("unet.base.out"), kOutputAtol, kOutputRtol,
               "unet.base.out after the scopes");
}

TEST_P(AdapterGolden, WithoutMetadataAlphaIsTheRank) {
  AdapterSet set = load(kind_, "_no_metadata.safetensors");
  const AttachScope attached = set.attach();
  check_outputs(golden_, "noalpha");
}

TEST_P(AdapterGolden, GradientsEqualTheReference) {
  AdapterSet set = load(kind_, ".safetensors");
  const AttachScope attached = set.attach();
  const at::Tensor unet_loss = at::mse_loss(run_unet(golden_), golden_.at("in.target"));
  const PromptEmbeds embeds = run_text_encoders(golden_);
  const at::Tensor te_loss = at::mse_loss(embeds.prompt_embeds, golden_.at("in.te.target_embeds")) +
                             at::mse_loss(embeds.pooled, golden_.at("in.te.target_pooled"));
  expect_close(unet_loss, golden_.at("unet.loss"), kOutputAtol, kOutputRtol, "unet.loss");
  expect_close(te_loss, golden_.at("te.loss"), kOutputAtol, kOutputRtol, "te.loss");
  (unet_loss + te_loss).backward();

  const std::set<std::string> none = without_gradient(numbers());
  size_t compared = 0;
  for (const AdapterParameter& parameter : set.parameters()) {
    const at::Tensor& gradient = parameter.value.grad();
    if (none.contains(parameter.name)) {
      EXPECT_FALSE(gradient.defined()) << parameter.name;
      continue;
    }
    const std::string name = gradient_name(parameter.name);
    expect_close_to_largest(gradient, golden_.at(name), kGradientFraction, name);
    ++compared;
  }
  size_t stored = 0;
  for (const auto& [name, tensor] : golden_.all()) stored += name.find(".grad.") != name.npos;
  EXPECT_EQ(compared, stored);
}

TEST_P(AdapterGolden, MergedWeightsEqualTheReference) {
  AdapterSet set = load(kind_, ".safetensors");
  std::map<std::string, nn::Linear*> layers;
  for (const auto& [name, layer] : bundle().linear_layers()) layers[name] = layer;
  const GoldenFile merged("adapters/merged_" + kind_ + ".safetensors");
  ASSERT_FALSE(merged.all().empty());
  for (const auto& [name, expected] : merged.all()) {
    const std::string module = name.substr(0, name.rfind(".weight"));
    Adapter* adapter = set.find(module);
    ASSERT_NE(adapter, nullptr) << module;
    const FrozenWeight& weight = *layers.at(module)->weight();
    expect_close(adapter->merged_rows(weight, 0, expected.size(0)), expected, kMergedAtol, 0, name);
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, AdapterGolden, ::testing::Values("lora", "dora"),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace dorabooth::adapter_golden_test
