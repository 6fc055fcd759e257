// Every recorded prompt through both of SDXL's tokenizers, id for id (fixtures:
// tokenizer_cases.json).
#include <gtest/gtest.h>

#include "src/tokenizers/tokenizer.h"
#include "tests/support/fixtures.h"

namespace dorabooth::clip_golden_test {
namespace {

std::string bytes_of_hex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

class ClipGolden : public ::testing::TestWithParam<const char*> {
 protected:
  const nlohmann::json recorded_ = testing::fixture_json("tokenizer_cases.json");
  const std::string name_ = GetParam();
  const std::unique_ptr<Tokenizer> tokenizer_ =
      open_tokenizer(testing::fixture_path("tiny_sdxl/" + name_));
};

TEST_P(ClipGolden, SpecialIdsAreThoseOfTheReference) {
  EXPECT_EQ(tokenizer_->bos_id(), recorded_["bos_id"]);
  EXPECT_EQ(tokenizer_->eos_id(), recorded_["eos_id"]);
  EXPECT_EQ(tokenizer_->pad_id(), recorded_["pad_id"][name_]);
  EXPECT_EQ(tokenizer_->max_length(), recorded_["max_length"]);
}

TEST_P(ClipGolden, EveryPromptGivesTheIdsOfTheReference) {
  ASSERT_GT(recorded_["cases"].size(), 0u);
  for (const auto& recorded : recorded_["cases"]) {
    const std::string text = bytes_of_hex(recorded["utf8"]);
    SCOPED_TRACE(recorded["utf8"].get<std::string>());
    const auto untruncated = recorded[name_]["untruncated"].get<std::vector<int64_t>>();
    EXPECT_EQ(tokenizer_->encode(text), untruncated);

    auto window = recorded[name_]["ids77"].get<std::vector<int64_t>>();
    window.resize(static_cast<size_t>(tokenizer_->max_length()), tokenizer_->pad_id());
    const TokenizedPrompt prompt = tokenizer_->tokenize(text);
    EXPECT_EQ(prompt.ids, window);
    EXPECT_EQ(prompt.length, recorded[name_]["length"].get<int64_t>());
    EXPECT_EQ(prompt.truncated, untruncated.size() > window.size());
    EXPECT_EQ(prompt.dropped_text_or_empty.empty(), !prompt.truncated);
  }
}

TEST_P(ClipGolden, WindowsOfLongPromptsHoldEveryToken) {
  const size_t limit = static_cast<size_t>(tokenizer_->max_length());
  for (const auto& recorded : recorded_["cases"]) {
    SCOPED_TRACE(recorded["utf8"].get<std::string>());
    const auto untruncated = recorded[name_]["untruncated"].get<std::vector<int64_t>>();
    size_t next = 1;
    for (const auto& window : tokenizer_->tokenize_chunks(bytes_of_hex(recorded["utf8"]))) {
      const size_t content = std::min(limit - 2, untruncated.size() - 1 - next);
      std::vector<int64_t> want = {untruncated.front()};
      const auto first = untruncated.begin() + static_cast<std::ptrdiff_t>(next);
      want.insert(want.end(), first, first + static_cast<std::ptrdiff_t>(content));
      want.push_back(untruncated.back());
      want.resize(limit, tokenizer_->pad_id());
      EXPECT_EQ(window, want);
      next += content;
    }
    EXPECT_EQ(next, untruncated.size() - 1);
  }
}

TEST_P(ClipGolden, BareVocabularyGivesTheSameTokenizer) {
  const auto folder = testing::fixture_path("tiny_sdxl/" + name_);
  const auto pad =
      testing::fixture_json("tiny_sdxl/" + name_ + "/special_tokens_map.json")["pad_token"];
  const auto bare = open_clip_tokenizer(folder / "vocab.json", folder / "merges.txt", pad);
  EXPECT_EQ(bare->vocab_size(), tokenizer_->vocab_size());
  for (const auto& recorded : recorded_["cases"]) {
    const std::string text = bytes_of_hex(recorded["utf8"]);
    EXPECT_EQ(bare->tokenize(text).ids, tokenizer_->tokenize(text).ids);
  }
}

INSTANTIATE_TEST_SUITE_P(BothTokenizers, ClipGolden, ::testing::Values("tokenizer", "tokenizer_2"),
                         [](const auto& parameter) { return std::string(parameter.param); });

}  // namespace
}  // namespace dorabooth::clip_golden_test
