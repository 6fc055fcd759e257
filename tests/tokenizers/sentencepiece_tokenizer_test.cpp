// SentencePiece on the bundled small base, whose ids and rules stand in its tokenizer_config.json.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/tokenizers/tokenizer.h"
#include "tests/support/fixtures.h"

namespace dorabooth::sentencepiece_tokenizer_test {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<int64_t>;
using testing::message_of;

class SentencePieceTokenizerTest : public ::testing::Test {
 protected:
  Ids content(const std::string& text) const {
    const Ids ids = tokenizer_->encode(text);
    return {ids.begin() + 1, ids.end() - 1};
  }

  const fs::path folder_ = testing::source_dir() / "assets/base/tokenizer";
  const nlohmann::json config_ =
      nlohmann::json::parse(read_file(folder_ / "tokenizer_config.json"));
  const std::unique_ptr<Tokenizer> tokenizer_ = open_tokenizer(folder_);
};

TEST_F(SentencePieceTokenizerTest, IdsAreThoseOfTheConfig) {
  EXPECT_EQ(tokenizer_->bos_id(), config_["bos_token_id"]);
  EXPECT_EQ(tokenizer_->eos_id(), config_["eos_token_id"]);
  EXPECT_EQ(tokenizer_->pad_id(), config_["pad_token_id"]);
  EXPECT_EQ(tokenizer_->max_length(), config_["model_max_length"]);
  EXPECT_EQ(tokenizer_->vocab_size(), config_["vocab_size"]);
}

TEST_F(SentencePieceTokenizerTest, IdentifierIsOnePiece) {
  EXPECT_EQ(content("sks").size(), 1u);
  EXPECT_EQ(content("a sks icon").size(), 3u);
  EXPECT_EQ(content("a sks icon")[1], content("sks")[0]);
  EXPECT_GT(content("asks").size(), 1u);
}

TEST_F(SentencePieceTokenizerTest, LetterCaseDoesNotMatter) {
  EXPECT_EQ(content("A Flat Icon OF Grinning FACE"), content("a flat icon of grinning face"));
  EXPECT_EQ(content("\xc3\x89"), content("\xc3\xa9"));
}

TEST_F(SentencePieceTokenizerTest, WindowIsBosPiecesEosPadding) {
  const Ids pieces = content("a flat icon of grinning face");
  Ids want = {tokenizer_->bos_id()};
  want.insert(want.end(), pieces.begin(), pieces.end());
  want.push_back(tokenizer_->eos_id());
  const int64_t length = static_cast<int64_t>(want.size());
  want.resize(static_cast<size_t>(tokenizer_->max_length()), tokenizer_->pad_id());
  const TokenizedPrompt prompt = tokenizer_->tokenize("a flat icon of grinning face");
  EXPECT_EQ(prompt.ids, want);
  EXPECT_EQ(prompt.length, length);
  EXPECT_FALSE(prompt.truncated);
}

TEST_F(SentencePieceTokenizerTest, EmptyTextIsBosAndEos) {
  EXPECT_EQ(tokenizer_->encode(""), (Ids{tokenizer_->bos_id(), tokenizer_->eos_id()}));
  EXPECT_EQ(tokenizer_->tokenize("").length, 2);
}

TEST_F(SentencePieceTokenizerTest, TruncationTellsWhatItDropped) {
  const size_t limit = static_cast<size_t>(tokenizer_->max_length());
  std::string text;
  for (size_t i = 0; i < limit - 2; ++i) text += "sks ";
  EXPECT_FALSE(tokenizer_->tokenize(text).truncated);
  const TokenizedPrompt prompt = tokenizer_->tokenize(text + "grinning face");
  EXPECT_TRUE(prompt.truncated);
  EXPECT_EQ(prompt.dropped_text_or_empty, "grinning face");
  EXPECT_EQ(prompt.ids.size(), limit);
  EXPECT_EQ(prompt.ids.back(), tokenizer_->eos_id());
  EXPECT_EQ(tokenizer_->tokenize_chunks(text + "grinning face").size(), 2u);
}

TEST_F(SentencePieceTokenizerTest, DecodeGivesTheTextBack) {
  for (const char* text :
       {"a sks icon of red apple", "a twitter icon of woman: medium skin tone"}) {
    EXPECT_EQ(tokenizer_->decode(content(text)), text);
  }
  EXPECT_THROW(tokenizer_->decode({tokenizer_->vocab_size()}), Error);
}

TEST_F(SentencePieceTokenizerTest, InvalidUtf8NamesItsByte) {
  const std::string message = message_of([&] { tokenizer_->encode("icon \xff"); });
  EXPECT_NE(message.find("not valid UTF-8 at byte 5"), std::string::npos) << message;
}

TEST_F(SentencePieceTokenizerTest, BadFilesAndConfigsAreNamed) {
  const testing::TemporaryFolder copy;
  const auto expect_refused = [&](const char* key, const nlohmann::json& value) {
    nlohmann::json changed = config_;
    changed[key] = value;
    write_file_atomically(copy.path() / "tokenizer_config.json", changed.dump());
    const std::string message = message_of([&] { open_tokenizer(copy.path()); });
    EXPECT_NE(message.find(key), std::string::npos) << message;
  };
  fs::copy_file(folder_ / "spiece.model", copy.path() / "spiece.model");
  expect_refused("vocab_size", 5);
  expect_refused("eos_token_id", config_["vocab_size"]);
  expect_refused("unk_token_id", 0);
  expect_refused("model_max_length", nullptr);
  expect_refused("do_lower_case", "yes");
  expect_refused("add_prefix_space", false);
  for (const char* bytes : {"", "not a model"}) {
    write_file_atomically(copy.path() / "spiece.model", bytes);
    EXPECT_NE(message_of([&] { open_tokenizer(copy.path()); }).find("spiece.model"),
              std::string::npos);
  }
}

}  // namespace
}  // namespace dorabooth::sentencepiece_tokenizer_test
