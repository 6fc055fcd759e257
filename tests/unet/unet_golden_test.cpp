// The UNet against the reference's activations, outputs and gradients, and its parameters against
// the full-size model's key list.
#include "src/unet/unet.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "tests/nn/golden_model.h"
#include "tests/nn/meta_kernels.h"
#include "tests/support/fixtures.h"

namespace dorabooth::unet_golden_test {
namespace {

using testing::AttachedAdapters;
using testing::expect_close;
using testing::expect_close_to_largest;
using testing::fixture_json;
using testing::GoldenFile;

constexpr double kAtol = 5e-5;
constexpr double kRtol = 1e-4;
constexpr double kGradient = 2e-4;

UNetConfig golden_config(const std::string& folder) {
  const std::string name = folder + "/unet/config.json";
  return UNetConfig::from_json(fixture_json(name), name);
}

std::shared_ptr<UNet> golden_unet(at::ScalarType dtype = at::kFloat) {
  auto unet = std::make_shared<UNet>(golden_config("tiny_sdxl"), dtype);
  testing::load_golden_weights(*unet, "tiny_sdxl/unet/diffusion_pytorch_model.safetensors", dtype);
  return unet;
}

// "sq" and "rect": whatever the file holds.
std::vector<std::string> cases(const GoldenFile& golden) {
  std::vector<std::string> names;
  const std::string ending = ".out";
  for (const auto& [name, value] : golden.all()) {
    if (name.ends_with(ending)) names.push_back(name.substr(0, name.size() - ending.size()));
  }
  return names;
}

UNetInputs inputs_of(const GoldenFile& golden, const std::string& name) {
  const auto at = [&](const char* key) { return golden.at(name + ".in." + key).clone(); };
  return {at("sample"), at("timesteps"), at("encoder_hidden_states"), at("text_embeds"),
          at("time_ids")};
}

// The fixture's short spelling of "transformer_blocks".
std::string fixture_name(std::string name) {
  const std::string spelled = "transformer_blocks.";
  const size_t place = name.find(spelled);
  return place == std::string::npos ? name : name.replace(place, spelled.size(), "tb");
}

TEST(UNetGolden, EveryActivationEqualsTheReference) {
  const GoldenFile golden("unet.safetensors");
  const auto unet = golden_unet();
  ASSERT_FALSE(cases(golden).empty());
  for (const std::string& name : cases(golden)) {
    std::set<std::string> seen;
    unet->set_probe(nn::Probe([&](const std::string& module, const at::Tensor& value) {
      const std::string key = name + ".act." + fixture_name(module);
      if (!golden.contains(key)) return;
      expect_close(value, golden.at(key), kAtol, kRtol, key);
      seen.insert(key);
    }));
    const at::NoGradGuard no_grad;
    expect_close(unet->forward(inputs_of(golden, name)), golden.at(name + ".out"), kAtol, kRtol,
                 name);
    for (const auto& [key, value] : golden.all()) {
      EXPECT_TRUE(!key.starts_with(name + ".act.") || seen.count(key)) << key << " was not shown";
    }
  }
}

// Gradients of sum(out * g) to the sample and to the text, with and without trainable weights.
void check_gradients(UNet& unet, const GoldenFile& golden, const std::string& name) {
  UNetInputs inputs = inputs_of(golden, name);
  inputs.sample.set_requires_grad(true);
  inputs.encoder_hidden_states.set_requires_grad(true);
  const at::Tensor out = unet.forward(inputs);
  expect_close(out, golden.at(name + ".out"), kAtol, kRtol, name + ".out");
  (out * golden.at(name + ".in.g")).sum().backward();
  const std::string prefix = name + ".grad.";
  expect_close_to_largest(inputs.sample.grad(), golden.at(prefix + "sample"), kGradient,
                          prefix + "sample");
  expect_close_to_largest(inputs.encoder_hidden_states.grad(),
                          golden.at(prefix + "encoder_hidden_states"), kGradient,
                          prefix + "encoder_hidden_states");
}

TEST(UNetGolden, FrozenGradientsEqualTheReference) {
  const GoldenFile golden("unet.safetensors");
  const auto unet = golden_unet();
  for (const std::string& name : cases(golden)) check_gradients(*unet, golden, name);
}

TEST(UNetGolden, CheckpointedGradientsEqualTheReference) {
  const GoldenFile golden("unet.safetensors");
  const auto unet = golden_unet();
  unet->set_gradient_checkpointing(true);
  for (const std::string& name : cases(golden)) check_gradients(*unet, golden, name);
}

TEST(UNetGolden, WeightGradientsEqualTheReference) {
  const GoldenFile golden("unet.safetensors");
  for (const bool checkpointing : {false, true}) {
    for (const std::string& name : cases(golden)) {
      const auto unet = golden_unet();
      unet->set_gradient_checkpointing(checkpointing);
      const std::string prefix = name + ".grad.w.";
      std::vector<std::pair<std::string, at::Tensor>> wanted;
      for (const nn::LayerParameter& parameter : nn::layer_parameters(*unet)) {
        const std::string key = prefix + parameter.full_name;
        if (!golden.contains(key)) continue;
        wanted.emplace_back(key, parameter.value.set_requires_grad(true));
      }
      ASSERT_FALSE(wanted.empty());
      check_gradients(*unet, golden, name);
      for (const auto& [key, value] : wanted) {
        expect_close_to_largest(value.grad(), golden.at(key), kGradient, key);
      }
    }
  }
}

TEST(UNetGolden, CheckpointingLeavesEveryAdaptersGradient) {
  const GoldenFile golden("unet.safetensors");
  const auto unet = golden_unet();
  at::manual_seed(0);
  AttachedAdapters adapters(*unet,
                            [](const std::string& name) { return name.find("attn") != name.npos; });
  ASSERT_GT(adapters.size(), 0u);
  const std::string name = cases(golden)[0];
  const auto gradients = [&](bool checkpointing) {
    unet->set_gradient_checkpointing(checkpointing);
    // Nothing but the adapters wants a gradient, as in training.
    (unet->forward(inputs_of(golden, name)) * golden.at(name + ".in.g")).sum().backward();
    return adapters.take_gradients();
  };
  const auto plain = gradients(false);
  testing::expect_same_gradients(gradients(true), plain);
}

TEST(UNetGolden, Bfloat16IsCloseToFloat32) {
  const GoldenFile golden("unet.safetensors");
  const auto unet = golden_unet(at::kBFloat16);
  const at::NoGradGuard no_grad;
  for (const std::string& name : cases(golden)) {
    const at::Tensor out = unet->forward(inputs_of(golden, name));
    ASSERT_EQ(out.scalar_type(), at::kBFloat16);
    const at::Tensor want = golden.at(name + ".out");
    const double error = ((out.to(at::kFloat) - want).norm() / want.norm()).item<double>();
    EXPECT_LT(error, 0.05) << name;
  }
}

TEST(UNetGolden, SizesThatDownsamplingDoesNotDivideWork) {
  const GoldenFile golden("unet.safetensors");
  const auto unet = golden_unet();
  const at::NoGradGuard no_grad;
  UNetInputs inputs = inputs_of(golden, cases(golden)[0]);
  at::manual_seed(0);
  inputs.sample = at::randn({inputs.sample.size(0), inputs.sample.size(1), 11, 9});
  const at::Tensor out = unet->forward(inputs);
  EXPECT_EQ(out.sizes().slice(2), at::IntArrayRef({11, 9}));
  EXPECT_TRUE(at::isfinite(out).all().item<bool>());
}

TEST(UNetGolden, FullSizeParametersAreTheKeyMaps) {
  const UNet unet(golden_config("sdxl_base_config"), at::TensorOptions().device(at::kMeta));
  const nlohmann::json keymap = fixture_json("single_file_keymap.json");
  std::map<std::string, std::vector<int64_t>> want;
  for (const auto& row : keymap["map"]) {
    if (row[0] == "unet") want[row[1]] = row[2].get<std::vector<int64_t>>();
  }
  std::map<std::string, std::vector<int64_t>> have;
  int64_t count = 0;
  for (const auto& parameter : unet.named_parameters()) {
    have[parameter.key()] = parameter.value().sizes().vec();
    count += parameter.value().numel();
  }
  EXPECT_EQ(have, want);
  EXPECT_EQ(count, keymap["parameters"]["unet"].get<int64_t>());
  EXPECT_EQ(have.size(), keymap["tensors"]["unet"].get<size_t>());
}

// A tensor made on the CPU by mistake is an error here.
TEST(UNetGolden, RunsOnTheMetaDeviceInEveryDtype) {
  for (const char* folder : {"tiny_sdxl", "sdxl_base_config"}) {
    const UNetConfig config = golden_config(folder);
    for (const at::ScalarType dtype : {at::kFloat, at::kHalf, at::kBFloat16}) {
      const auto options = at::TensorOptions().device(at::kMeta).dtype(dtype);
      UNet unet(config, options);
      const UNetInputs inputs{
          at::empty({2, config.in_channels, 16, 24}, options).set_requires_grad(true),
          at::empty({2}, options.dtype(at::kLong)),
          at::empty({2, 77, config.cross_attention_dim}, options),
          at::empty({2, config.pooled_features()}, options),
          at::empty({2, UNetConfig::kTimeIds}, options)};
      for (const bool checkpointing : {false, true}) {
        unet.set_gradient_checkpointing(checkpointing);
        const at::Tensor out = unet.forward(inputs);
        EXPECT_TRUE(out.is_meta());
        EXPECT_EQ(out.scalar_type(), dtype);
        EXPECT_EQ(out.sizes(), at::IntArrayRef({2, config.out_channels, 16, 24}));
        out.sum().backward();
        EXPECT_TRUE(inputs.sample.grad().is_meta());
      }
    }
  }
}

TEST(UNetGolden, WrongInputsAreNamedWithTheirShapes) {
  const auto unet = golden_unet();
  const GoldenFile golden("unet.safetensors");
  UNetInputs inputs = inputs_of(golden, cases(golden)[0]);
  inputs.time_ids = inputs.time_ids.slice(1, 0, 5);
  const std::string message = testing::message_of([&] { unet->forward(inputs); });
  EXPECT_NE(message.find("time_ids"), std::string::npos) << message;
}

}  // namespace
}  // namespace dorabooth::unet_golden_test
