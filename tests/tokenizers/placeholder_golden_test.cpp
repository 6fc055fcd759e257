// Placeholders in both of SDXL's tokenizers, id for id as transformers' added special tokens
// (tests/golden/added_tokens.json, from scripts/peers/fixtures/added_tokens.py).
#include <gtest/gtest.h>

#include "src/tokenizers/placeholder_tokenizer.h"
#include "tests/support/fixtures.h"

namespace dorabooth::placeholder_golden_test {
namespace {

class PlaceholderGolden : public ::testing::TestWithParam<const char*> {};

TEST_P(PlaceholderGolden, EveryTextGivesTheIdsOfTheReference) {
  const nlohmann::json& recorded =
      testing::fixture_json((testing::source_dir() / "tests/golden/added_tokens.json").string());
  const std::shared_ptr<const Tokenizer> base =
      open_tokenizer(testing::fixture_path(std::string("tiny_sdxl/") + GetParam()));
  std::vector<Placeholder> placeholders;
  int64_t id = base->vocab_size();
  for (const std::string token : recorded.at("tokens")) placeholders.push_back({token, {id++}});
  const PlaceholderTokenizer tokenizer(base, placeholders);
  EXPECT_EQ(tokenizer.vocab_size(), id);
  const auto& texts = recorded.at("texts");
  ASSERT_GT(texts.size(), 10u);
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::string text = texts[i];
    EXPECT_EQ(tokenizer.encode(text),
              recorded.at(GetParam()).at("ids").at(i).get<std::vector<int64_t>>())
        << text;
  }
}

INSTANTIATE_TEST_SUITE_P(BothTokenizers, PlaceholderGolden,
                         ::testing::Values("tokenizer", "tokenizer_2"),
                         [](const auto& parameter) { return std::string(parameter.param); });

}  // namespace
}  // namespace dorabooth::placeholder_golden_test
