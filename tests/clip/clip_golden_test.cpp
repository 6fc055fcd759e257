// Both text encoders against the reference's hidden states and pooled vectors, and their parameters
// against the full-size models' key list.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "src/clip/clip_text_model.h"
#include "tests/nn/golden_model.h"
#include "tests/nn/meta_kernels.h"
#include "tests/support/fixtures.h"

namespace dorabooth::clip_golden_test {
namespace {

using testing::AttachedAdapters;
using testing::expect_close;
using testing::fixture_json;
using testing::GoldenFile;

constexpr double kAtol = 3e-5;
constexpr double kRtol = 1e-4;

struct Component {
  const char* folder;
  const char* prefix;
};
constexpr Component kComponents[] = {{"text_encoder", "te1"}, {"text_encoder_2", "te2"}};

ClipTextConfig golden_config(const std::string& base, const std::string& folder) {
  const std::string name = base + "/" + folder + "/config.json";
  return ClipTextConfig::from_json(fixture_json(name), name);
}

std::shared_ptr<ClipTextModel> golden_model(const std::string& folder,
                                            at::ScalarType dtype = at::kFloat) {
  auto model = std::make_shared<ClipTextModel>(golden_config("tiny_sdxl", folder), dtype);
  testing::load_golden_weights(*model, "tiny_sdxl/" + folder + "/model.safetensors", dtype);
  return model;
}

TEST(ClipGolden, EveryHiddenStateEqualsTheReference) {
  const GoldenFile golden("text_encoders.safetensors");
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> penultimates;
  for (const auto& [folder, name] : kComponents) {
    const std::string prefix = std::string(name) + ".";
    const auto model = golden_model(folder);
    const ClipTextOutput output =
        model->forward(golden.at(prefix + "ids"), {.pooled = true, .hidden_states = true});
    for (size_t i = 0; i < output.hidden_states.size(); ++i) {
      const std::string key = prefix + "hidden_states." + std::to_string(i);
      expect_close(output.hidden_states[i], golden.at(key), kAtol, kRtol, key);
    }
    const std::string beyond =
        prefix + "hidden_states." + std::to_string(output.hidden_states.size());
    EXPECT_FALSE(golden.contains(beyond));
    const std::pair<const char*, at::Tensor> results[] = {
        {"penultimate", output.penultimate},
        {"last_hidden_state", output.last_hidden_state},
        {"pooler_output", output.pooled},
        {"text_embeds", output.text_embeds}};
    for (const auto& [key, value] : results) {
      if (!golden.contains(prefix + key)) continue;
      expect_close(value, golden.at(prefix + key), kAtol, kRtol, prefix + key);
    }
    penultimates.push_back(output.penultimate);
  }
  expect_close(at::cat(penultimates, -1), golden.at("prompt_embeds"), kAtol, kRtol,
               "prompt_embeds");
}

TEST(ClipGolden, PenultimateAloneNeedsNoLastLayer) {
  const GoldenFile golden("text_encoders.safetensors");
  const at::NoGradGuard no_grad;
  const auto model = golden_model("text_encoder");
  // A last layer of NaN would show in anything computed from it.
  const std::string last =
      "text_model.encoder.layers." + std::to_string(model->config().num_hidden_layers - 1) + ".";
  for (const nn::LayerParameter& parameter : nn::layer_parameters(*model)) {
    if (parameter.full_name.starts_with(last)) parameter.value.fill_(NAN);
  }
  const ClipTextOutput output = model->forward(golden.at("te1.ids"), {.pooled = false});
  expect_close(output.penultimate, golden.at("te1.penultimate"), kAtol, kRtol, "penultimate");
  EXPECT_FALSE(output.pooled.defined());
}

TEST(ClipGolden, PoolsAtTheFirstEndOfTextId) {
  const GoldenFile golden("text_encoders.safetensors");
  const at::NoGradGuard no_grad;
  const at::Tensor ids = golden.at("te2.ids");
  ClipTextConfig config = golden_config("tiny_sdxl", "text_encoder_2");
  config.eos_token_id = ids.max().item<int64_t>();
  ClipTextModel model(config, at::kFloat);
  testing::load_golden_weights(model, "tiny_sdxl/text_encoder_2/model.safetensors");
  expect_close(model.forward(ids).text_embeds, golden.at("te2.text_embeds"), kAtol, kRtol,
               "text_embeds");
}

TEST(ClipGolden, CheckpointingLeavesEveryAdaptersGradient) {
  const GoldenFile golden("text_encoders.safetensors");
  const auto model = golden_model("text_encoder_2");
  at::manual_seed(0);
  AttachedAdapters adapters(
      *model, [](const std::string& name) { return name.find("self_attn") != name.npos; });
  ASSERT_GT(adapters.size(), 0u);
  const auto gradients = [&](bool checkpointing) {
    model->set_gradient_checkpointing(checkpointing);
    const ClipTextOutput output = model->forward(golden.at("te2.ids"));
    (output.penultimate.square().sum() + output.text_embeds.square().sum()).backward();
    return adapters.take_gradients();
  };
  const auto plain = gradients(false);
  testing::expect_same_gradients(gradients(true), plain);
}

TEST(ClipGolden, Bfloat16IsCloseToFloat32) {
  const GoldenFile golden("text_encoders.safetensors");
  const at::NoGradGuard no_grad;
  for (const auto& [folder, name] : kComponents) {
    const std::string prefix = std::string(name) + ".";
    const at::Tensor have =
        golden_model(folder, at::kBFloat16)->forward(golden.at(prefix + "ids")).penultimate;
    ASSERT_EQ(have.scalar_type(), at::kBFloat16);
    const at::Tensor want = golden.at(prefix + "penultimate");
    EXPECT_LT(((have.to(at::kFloat) - want).norm() / want.norm()).item<double>(), 0.03) << name;
  }
}

TEST(ClipGolden, FullSizeParametersAreTheKeyMaps) {
  const nlohmann::json keymap = fixture_json("single_file_keymap.json");
  for (const auto& [folder, prefix] : kComponents) {
    const ClipTextModel model(golden_config("sdxl_base_config", folder),
                              at::TensorOptions().device(at::kMeta));
    std::map<std::string, std::vector<int64_t>> want;
    for (const auto& row : keymap["map"]) {
      if (row[0] == folder) want[row[1]] = row[2].get<std::vector<int64_t>>();
    }
    std::map<std::string, std::vector<int64_t>> have;
    int64_t count = 0;
    for (const auto& parameter : model.named_parameters()) {
      have[parameter.key()] = parameter.value().sizes().vec();
      count += parameter.value().numel();
    }
    EXPECT_EQ(have, want) << folder;
    EXPECT_EQ(count, keymap["parameters"][folder].get<int64_t>()) << folder;
  }
}

// A tensor made on the CPU by mistake is an error here.
TEST(ClipGolden, RunsOnTheMetaDeviceInEveryDtype) {
  for (const char* base : {"tiny_sdxl", "sdxl_base_config"}) {
    for (const auto& [folder, prefix] : kComponents) {
      const ClipTextConfig config = golden_config(base, folder);
      for (const at::ScalarType dtype : {at::kFloat, at::kHalf, at::kBFloat16}) {
        const auto options = at::TensorOptions().device(at::kMeta).dtype(dtype);
        const ClipTextModel model(config, options);
        const at::Tensor ids =
            at::empty({2, config.max_position_embeddings}, options.dtype(at::kLong));
        const ClipTextOutput output = model.forward(ids);
        EXPECT_TRUE(output.pooled.is_meta());
        EXPECT_EQ(output.penultimate.scalar_type(), dtype);
        EXPECT_EQ(output.text_embeds.defined(), config.with_projection());
      }
    }
  }
}

}  // namespace
}  // namespace dorabooth::clip_golden_test
