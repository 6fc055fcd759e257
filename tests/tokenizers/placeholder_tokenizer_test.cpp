// Placeholders over the bundled base's SentencePiece tokenizer.
#include <gtest/gtest.h>

#include "src/base/error.h"
#include "src/tokenizers/placeholder_tokenizer.h"
#include "tests/support/fixtures.h"

namespace dorabooth::placeholder_tokenizer_test {
namespace {

using Ids = std::vector<int64_t>;
using testing::message_of;

class PlaceholderTokenizerTest : public ::testing::Test {
 protected:
  PlaceholderTokenizer with(std::vector<Placeholder> placeholders) const {
    return PlaceholderTokenizer(base_, std::move(placeholders));
  }
  Ids content(const Tokenizer& tokenizer, const std::string& text) const {
    const Ids ids = tokenizer.encode(text);
    EXPECT_EQ(ids.front(), base_->bos_id());
    EXPECT_EQ(ids.back(), base_->eos_id());
    return {ids.begin() + 1, ids.end() - 1};
  }

  const std::shared_ptr<const Tokenizer> base_ =
      open_tokenizer(testing::source_dir() / "assets/base/tokenizer");
  const int64_t first_ = base_->vocab_size();
  const PlaceholderTokenizer tokenizer_ =
      with({{"<s0>", {first_}}, {"<s1>", {first_ + 1}}, {"TOK", {first_ + 2, first_ + 3}}});
};

TEST_F(PlaceholderTokenizerTest, TextAroundIsTokenizedAsBefore) {
  Ids want = content(*base_, "a flat");
  want.push_back(first_);
  want.push_back(first_ + 1);
  for (const int64_t id : content(*base_, "icon of red apple")) want.push_back(id);
  EXPECT_EQ(content(tokenizer_, "a flat <s0><s1> icon of red apple"), want);
  EXPECT_EQ(content(tokenizer_, "a flat<s0> \n<s1>  icon of red apple"), want);
  EXPECT_EQ(content(tokenizer_, "<s1>"), (Ids{first_ + 1}));
}

TEST_F(PlaceholderTokenizerTest, TextWithoutPlaceholdersIsTheBases) {
  for (const char* text : {"", "  a  flat icon ", "<s2> tok"}) {
    EXPECT_EQ(tokenizer_.encode(text), base_->encode(text)) << text;
  }
}

TEST_F(PlaceholderTokenizerTest, APlaceholderOfSeveralVectorsExpands) {
  EXPECT_EQ(content(tokenizer_, "TOK"), (Ids{first_ + 2, first_ + 3}));
  EXPECT_EQ(tokenizer_.vocab_size(), first_ + 4);
}

TEST_F(PlaceholderTokenizerTest, TheLongestWinsAtOnePlace) {
  const auto both = with({{"ab", {first_}}, {"abc", {first_ + 1}}, {"bcd", {first_ + 2}}});
  EXPECT_EQ(content(both, "abc"), (Ids{first_ + 1}));
  EXPECT_EQ(content(both, "abab"), (Ids{first_, first_}));
  EXPECT_EQ(content(both, "abcd").front(), first_ + 1);
}

TEST_F(PlaceholderTokenizerTest, WindowsAndCutsCountTheExpandedTokens) {
  const auto limit = static_cast<size_t>(base_->max_length());
  std::string text;
  for (size_t i = 0; i < limit - 4; ++i) text += "sks ";
  EXPECT_FALSE(tokenizer_.tokenize(text + "TOK").truncated);
  const TokenizedPrompt cut = tokenizer_.tokenize(text + "TOK <s0>");
  EXPECT_TRUE(cut.truncated);
  EXPECT_EQ(cut.dropped_text_or_empty, "<s0>");
  EXPECT_EQ(tokenizer_.tokenize_chunks(text + "TOK <s0>").size(), 2u);
}

TEST_F(PlaceholderTokenizerTest, DecodeNamesThePlaceholders) {
  EXPECT_EQ(tokenizer_.decode(content(tokenizer_, "a flat <s0><s1> TOK TOK icon")),
            "a flat <s0> <s1> TOK TOK icon");
}

TEST_F(PlaceholderTokenizerTest, InvalidUtf8NamesItsByteInTheWholeText) {
  const std::string message = message_of([&] { tokenizer_.encode("a <s0> \xff"); });
  EXPECT_NE(message.find("not valid UTF-8 at byte 7"), std::string::npos) << message;
}

TEST_F(PlaceholderTokenizerTest, WhatCannotBeAPlaceholderIsRefused) {
  EXPECT_NE(message_of([&] { with({{"", {first_}}}); }).find("empty"), std::string::npos);
  EXPECT_NE(message_of([&] { with({{"x", {}}}); }).find("has no tokens"), std::string::npos);
  EXPECT_NE(message_of([&] {
              with({{"x", {first_}}, {"x", {first_ + 1}}});
            }).find("two things"),
            std::string::npos);
  EXPECT_NE(message_of([&] {
              with({{"x", {first_ - 1}}});
            }).find("one of the base's own"),
            std::string::npos);
}

}  // namespace
}  // namespace dorabooth::placeholder_tokenizer_test
