// Prompt embeddings of the fixtures through the bundle, and long prompts.
#include "src/model/prompt_encoding.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "src/adapter/set.h"
#include "src/base/error.h"
#include "src/device/adapter_core_choice.h"
#include "tests/support/fixtures.h"
#include "tests/support/golden_tensors.h"

namespace dorabooth::prompt_encoding_golden_test {
namespace {

using nlohmann::json;
using testing::expect_close;
using testing::fixture_json;
using testing::fixture_path;
using testing::GoldenFile;

constexpr double kAtol = 3e-5;
constexpr double kRtol = 1e-4;

const SdxlBundle& bundle() {
  static const SdxlBundle loaded = [] {
    LoadOptions options;
    options.components = {Component::kTextEncoder, Component::kTextEncoder2};
    return load_bundle(fixture_path("tiny_sdxl"), options);
  }();
  return loaded;
}

// What was written to the log.
struct Messages {
  std::vector<std::pair<LogLevel, std::string>> all;
  Log log{[this](LogLevel level, const std::string& text) { all.emplace_back(level, text); }};
};

TEST(PromptEncoding, EqualsTheTextEncodersFixture) {
  const at::NoGradGuard no_grad;
  const auto prompts =
      fixture_json("text_encoders.json").at("prompts").get<std::vector<std::string>>();
  const GoldenFile golden("text_encoders.safetensors");
  const PromptTokens tokens = tokenize_prompts(bundle(), prompts, LongPrompts::kCut, Log());
  EXPECT_TRUE(at::equal(tokens.ids, golden.at("te1.ids")));
  EXPECT_TRUE(at::equal(tokens.ids_2, golden.at("te2.ids")));
  const PromptEmbeds embeds = encode_tokens(bundle(), tokens);
  expect_close(embeds.prompt_embeds, golden.at("prompt_embeds"), kAtol, kRtol, "prompt_embeds");
  expect_close(embeds.pooled, golden.at("te2.text_embeds"), kAtol, kRtol, "te2.text_embeds");
}

// hidden_states[-(clip_skip + 2)] of both encoders; the pooled vector as without.
TEST(PromptEncoding, ClipSkipTakesAnEarlierState) {
  const at::NoGradGuard no_grad;
  const PromptTokens tokens = tokenize_prompts(bundle(), {"a red apple"}, LongPrompts::kCut, Log());
  const PromptEmbeds plain = encode_tokens(bundle(), tokens);
  const auto first = bundle().text_encoder->forward(tokens.ids, {.hidden_states = true});
  const auto second = bundle().text_encoder_2->forward(tokens.ids_2, {.hidden_states = true});
  const auto layers =
      static_cast<int64_t>(std::min(first.hidden_states.size(), second.hidden_states.size()) - 1);
  for (int64_t skip = 0; skip < layers; ++skip) {
    const auto from_end = [&](const ClipTextOutput& output) {
      return output.hidden_states[output.hidden_states.size() - static_cast<size_t>(skip + 2)];
    };
    const PromptEmbeds embeds = encode_tokens(bundle(), tokens, skip);
    EXPECT_TRUE(at::equal(embeds.prompt_embeds, at::cat({from_end(first), from_end(second)}, -1)));
    EXPECT_TRUE(at::equal(embeds.pooled, plain.pooled));
  }
  EXPECT_NE(testing::message_of([&] {
              encode_tokens(bundle(), tokens, layers);
            }).find(concat("at most ", layers - 1)),
            std::string::npos);
}

TEST(PromptEncoding, ClipSkipLeavesTheNegativePromptAlone) {
  const at::NoGradGuard no_grad;
  const GuidedEmbeds plain = encode_guided(bundle(), {"a"}, "b", LongPrompts::kCut, Log());
  const GuidedEmbeds skipped = encode_guided(bundle(), {"a"}, "b", LongPrompts::kCut, Log(), 1);
  EXPECT_TRUE(at::equal(skipped.negative.prompt_embeds, plain.negative.prompt_embeds));
  EXPECT_FALSE(at::equal(skipped.positive.prompt_embeds, plain.positive.prompt_embeds));
}

TEST(PromptEncoding, EqualsEveryPipelineCase) {
  const at::NoGradGuard no_grad;
  const GoldenFile golden("pipeline.safetensors");
  const json pipeline = fixture_json("pipeline.json");
  ASSERT_FALSE(pipeline.at("cases").empty());
  for (const json& one : pipeline.at("cases")) {
    const std::string name = one.at("name").get<std::string>() + ".";
    std::optional<std::string> negative;
    if (!one.at("negative").is_null()) negative = one.at("negative").get<std::string>();
    const GuidedEmbeds guided = encode_guided(bundle(), {one.at("prompt").get<std::string>()},
                                              negative, LongPrompts::kChunk, Log());
    const auto compare = [&](const at::Tensor& value, const std::string& tensor) {
      if (!golden.contains(name + tensor)) return;
      expect_close(value, golden.at(name + tensor), kAtol, kRtol, name + tensor);
    };
    ASSERT_TRUE(golden.contains(name + "prompt_embeds"));
    compare(guided.positive.prompt_embeds, "prompt_embeds");
    compare(guided.positive.pooled, "pooled_prompt_embeds");
    compare(guided.negative.prompt_embeds, "negative_prompt_embeds");
    compare(guided.negative.pooled, "negative_pooled_prompt_embeds");
  }
}

std::string long_prompt() {
  std::string prompt;
  for (int64_t i = 0; i < bundle().tokenizer->max_length(); ++i) prompt += "a red fox ";
  return prompt;
}

TEST(PromptEncoding, LongPromptsAreEncodedWindowByWindowWithAWord) {
  const at::NoGradGuard no_grad;
  Messages messages;
  const int64_t window = bundle().tokenizer->max_length();
  const PromptEmbeds chunked =
      encode_prompts(bundle(), {long_prompt(), "a cat"}, LongPrompts::kChunk, messages.log);
  ASSERT_GT(chunked.prompt_embeds.size(1), window);
  EXPECT_EQ(chunked.prompt_embeds.size(1) % window, 0);
  ASSERT_EQ(messages.all.size(), 1u);
  EXPECT_EQ(messages.all[0].first, LogLevel::kInfo);

  const PromptEmbeds cut =
      encode_prompts(bundle(), {long_prompt(), "a cat"}, LongPrompts::kCut, Log());
  expect_close(chunked.prompt_embeds.narrow(1, 0, window), cut.prompt_embeds, kAtol, kRtol,
               "first window");
  expect_close(chunked.pooled, cut.pooled, kAtol, kRtol, "pooled");
  const PromptEmbeds empty = encode_prompts(bundle(), {""}, LongPrompts::kCut, Log());
  expect_close(chunked.prompt_embeds[1].narrow(0, window, window), empty.prompt_embeds[0], kAtol,
               kRtol, "padding window of the short prompt");
}

TEST(PromptEncoding, CuttingAPromptWarnsAndNamesWhatIsLost) {
  const at::NoGradGuard no_grad;
  Messages messages;
  const std::string prompt = long_prompt() + "purple umbrella";
  const PromptEmbeds cut = encode_prompts(bundle(), {prompt}, LongPrompts::kCut, messages.log);
  EXPECT_EQ(cut.prompt_embeds.size(1), bundle().tokenizer->max_length());
  ASSERT_EQ(messages.all.size(), 1u);
  EXPECT_EQ(messages.all[0].first, LogLevel::kWarning);
  EXPECT_NE(messages.all[0].second.find("purple umbrella"), std::string::npos);
}

TEST(PromptEncoding, BothHalvesHaveTheLongerOnesWindows) {
  const at::NoGradGuard no_grad;
  for (const auto& [prompt, negative] :
       {std::pair(std::string("a cat"), long_prompt()), std::pair(long_prompt(), std::string())}) {
    const GuidedEmbeds guided =
        encode_guided(bundle(), {prompt, prompt}, negative, LongPrompts::kChunk, Log());
    EXPECT_EQ(guided.positive.prompt_embeds.sizes(), guided.negative.prompt_embeds.sizes());
    EXPECT_EQ(guided.positive.pooled.sizes(), guided.negative.pooled.sizes());
  }
}

TEST(PromptEncoding, AnAbsentNegativeIsZerosOnlyIfTheBaseSaysSo) {
  const at::NoGradGuard no_grad;
  SdxlBundle encoding = bundle();
  encoding.force_zeros_for_empty_prompt = false;
  const GuidedEmbeds guided =
      encode_guided(encoding, {"a cat"}, std::nullopt, LongPrompts::kChunk, Log());
  const PromptEmbeds empty = encode_prompts(bundle(), {""}, LongPrompts::kChunk, Log());
  EXPECT_TRUE(at::equal(guided.negative.prompt_embeds, empty.prompt_embeds));
  encoding.force_zeros_for_empty_prompt = true;
  EXPECT_EQ(encode_guided(encoding, {"a cat"}, std::nullopt, LongPrompts::kChunk, Log())
                .negative.pooled.abs()
                .max()
                .item<float>(),
            0.0f);
}

TEST(PromptEncoding, TrainsAdaptersOnBothTextEncoders) {
  AdapterSpec spec;
  spec.target_modules = default_target_modules(/*text_encoders=*/true);
  AdapterSet set =
      AdapterSet::create(spec, bundle().linear_layers(), /*seed=*/1, adapter_core(at::kCPU));
  const AttachScope scope = set.attach();
  const PromptEmbeds embeds =
      encode_prompts(bundle(), {"a cat", long_prompt()}, LongPrompts::kChunk, Log());
  (embeds.prompt_embeds.square().sum() + embeds.pooled.square().sum()).backward();
  // SDXL takes the first encoder's penultimate state: its last layer has no part in it.
  const std::string unused = "text_encoder.text_model.encoder.layers." +
                             std::to_string(bundle().text_encoder->config().num_hidden_layers - 1) +
                             ".";
  for (const AdapterParameter& parameter : set.parameters()) {
    if (!parameter.name.ends_with(".B")) continue;
    const at::Tensor& grad = parameter.value.grad();
    const bool trains = grad.defined() && grad.abs().max().item<float>() > 0;
    EXPECT_EQ(trains, !parameter.module.starts_with(unused)) << parameter.name;
  }
}

}  // namespace
}  // namespace dorabooth::prompt_encoding_golden_test
