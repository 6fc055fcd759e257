// What text_encoder/config.json may say, and wrong inputs.
#include "src/clip/clip_text_config.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "src/clip/clip_text_model.h"
#include "tests/support/fixtures.h"

namespace dorabooth::clip_text_config_test {
namespace {

using nlohmann::json;
using testing::message_of;

json small() {
  return {{"architectures", {"CLIPTextModel"}},
          {"vocab_size", 20},
          {"hidden_size", 8},
          {"intermediate_size", 16},
          {"num_hidden_layers", 2},
          {"hidden_act", "gelu"},
          {"num_attention_heads", 2},
          {"projection_dim", 8},
          {"eos_token_id", 19},
          {"max_position_embeddings", 6},
          {"torch_dtype", "float16"}};
}

TEST(ClipTextConfig, ProjectionFollowsTheArchitecture) {
  json values = small();
  EXPECT_FALSE(ClipTextConfig::from_json(values, "c").with_projection());
  values["architectures"] = {"CLIPTextModelWithProjection"};
  EXPECT_TRUE(ClipTextConfig::from_json(values, "c").with_projection());
}

TEST(ClipTextConfig, WhatIsNotComputedIsRefusedByName) {
  const std::vector<std::pair<const char*, json>> wrong = {{"architectures", {"T5EncoderModel"}},
                                                           {"hidden_act", "relu"},
                                                           {"attention_dropout", 0.1},
                                                           {"num_attention_heads", 3},
                                                           {"model_type", "t5"},
                                                           {"relative_attention", 32}};
  for (const auto& [key, value] : wrong) {
    json values = small();
    values[key] = value;
    const std::string message =
        message_of([&] { ClipTextConfig::from_json(values, "text_encoder/config.json"); });
    const std::string named = key == std::string("num_attention_heads") ? "heads" : key;
    EXPECT_NE(message.find(named), std::string::npos) << key << ": " << message;
  }
}

TEST(ClipTextModel, TooLongPromptsAndForeignIdsAreRefused) {
  const ClipTextModel model(ClipTextConfig::from_json(small(), "c"), at::kFloat);
  EXPECT_NE(message_of([&] {
              model.forward(at::zeros({1, 7}, at::kLong));
            }).find("7 tokens"),
            std::string::npos);
  EXPECT_NE(message_of([&] {
              model.forward(at::full({1, 6}, 20, at::kLong));
            }).find("id 20"),
            std::string::npos);
}

}  // namespace
}  // namespace dorabooth::clip_text_config_test
