// A vocabulary made from captions, read back by the tokenizer that models use.
#include "src/tokenizers/train_vocabulary.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/tokenizers/tokenizer.h"
#include "tests/support/fixtures.h"

namespace dorabooth::train_vocabulary_test {
namespace {

using Ids = std::vector<int64_t>;
using testing::message_of;

const std::vector<std::string> kCaptions = {
    "a flat icon of grinning face",  "a flat icon of red apple",       "a noto icon of Green Apple",
    "a noto icon of winking face",   "a flat icon of caf\xc3\xa9",     "a noto icon of 12 o'clock",
    "a twitter icon of sleepy face", "a twitter icon of steaming bowl"};

class TrainVocabularyTest : public ::testing::Test {
 protected:
  std::unique_ptr<Tokenizer> train(const VocabularyOptions& options) const {
    train_vocabulary(kCaptions, options, folder_.path());
    return open_tokenizer(folder_.path());
  }
  static Ids content(const Tokenizer& tokenizer, const std::string& text) {
    const Ids ids = tokenizer.encode(text);
    return {ids.begin() + 1, ids.end() - 1};
  }

  const testing::TemporaryFolder folder_;
  const VocabularyOptions options_ = {
      .vocab_size = 90, .max_length = 20, .own_pieces = {"sks", "ohwx"}};
};

TEST_F(TrainVocabularyTest, CaptionsComeBackWithoutAnUnknownPiece) {
  const auto tokenizer = train(options_);
  for (const std::string& caption : kCaptions) {
    const Ids ids = content(*tokenizer, caption);
    for (const int64_t id : ids) EXPECT_NE(id, 1) << caption;
    std::string lower = caption;
    for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    EXPECT_EQ(tokenizer->decode(ids), lower);
  }
}

TEST_F(TrainVocabularyTest, SpecialIdsAreFirstAndLast) {
  const auto tokenizer = train(options_);
  EXPECT_EQ(tokenizer->vocab_size(), 90);
  EXPECT_EQ(tokenizer->pad_id(), 0);
  EXPECT_EQ(tokenizer->bos_id(), 88);
  EXPECT_EQ(tokenizer->eos_id(), 89);
  EXPECT_EQ(tokenizer->max_length(), 20);
  EXPECT_EQ(tokenizer->encode(""), (Ids{88, 89}));
  EXPECT_EQ(content(*tokenizer, "\xd0\xb6").back(), 1);  // a letter that no caption has
}

TEST_F(TrainVocabularyTest, ConfigHasTheKeysOfTheBundledBases) {
  train(options_);
  const auto keys = [](const std::filesystem::path& folder) {
    std::set<std::string> names;
    const auto config = nlohmann::json::parse(read_file(folder / "tokenizer_config.json"));
    for (const auto& [name, value] : config.items()) names.insert(name);
    return names;
  };
  EXPECT_EQ(keys(folder_.path()), keys(testing::source_dir() / "assets/base/tokenizer"));
}

TEST_F(TrainVocabularyTest, OwnPieceIsOneTokenWhereItStandsAlone) {
  const auto tokenizer = train(options_);
  const Ids ids = content(*tokenizer, "a sks icon");
  const Ids alone = content(*tokenizer, "SKS");
  ASSERT_EQ(alone.size(), 1u);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), alone[0]), 1);
  EXPECT_EQ(alone[0], 2);
  EXPECT_EQ(content(*tokenizer, "ohwx"), (Ids{3}));
  EXPECT_EQ(tokenizer->decode(ids), "a sks icon");
  EXPECT_GT(content(*tokenizer, "asks").size(), 1u);
}

TEST_F(TrainVocabularyTest, FrequentWordsAreOnePiece) {
  const auto tokenizer = train(options_);
  EXPECT_EQ(content(*tokenizer, "icon").size(), 1u);
  EXPECT_EQ(content(*tokenizer, "an icon of face").size(), 5u);  // "an" in two
  EXPECT_GT(content(*tokenizer, "steaming").size(), 1u);
}

TEST_F(TrainVocabularyTest, SameCaptionsGiveTheSameFiles) {
  const testing::TemporaryFolder again;
  train(options_);
  train_vocabulary(kCaptions, options_, again.path() / "made" / "here");
  for (const char* name : {"spiece.model", "tokenizer_config.json"}) {
    EXPECT_TRUE(read_file(folder_.path() / name) ==
                read_file(again.path() / "made" / "here" / name))
        << name;
  }
}

TEST_F(TrainVocabularyTest, LongAndOddCaptionsCountToo) {
  std::string caption = "tab\there \xe2\x96\x85 zebra";
  for (int i = 0; i < 2000; ++i) caption += " zebra";
  std::vector<std::string> captions = kCaptions;
  captions.push_back(caption);
  captions.push_back(" \n");
  train_vocabulary(captions, options_, folder_.path());
  EXPECT_EQ(content(*open_tokenizer(folder_.path()), "zebra").size(), 1u);
}

TEST_F(TrainVocabularyTest, NothingIsPrinted) {
  ::testing::internal::CaptureStderr();
  ::testing::internal::CaptureStdout();
  train(options_);
  VocabularyOptions large = options_;
  large.vocab_size = 2048;
  EXPECT_THROW(train(large), Error);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
}

TEST_F(TrainVocabularyTest, LargestSizeOfTooFewCaptionsIsNamedAndWorks) {
  VocabularyOptions options = options_;
  options.vocab_size = 2048;
  const std::string message = message_of([&] { train(options); });
  const std::string before = "vocab_size is 2048, and these captions fill at most ";
  ASSERT_TRUE(message.starts_with(before)) << message;
  options.vocab_size = std::stoll(message.substr(before.size()));
  EXPECT_EQ(train(options)->vocab_size(), options.vocab_size);
  ++options.vocab_size;
  EXPECT_THROW(train(options), Error);
}

TEST_F(TrainVocabularyTest, LeastSizeForTheCharactersIsNamedAndWorks) {
  VocabularyOptions options = options_;
  options.vocab_size = 20;
  const std::string message = message_of([&] { train(options); });
  const std::string before = "vocab_size is 20, and the characters of these captions need ";
  ASSERT_TRUE(message.starts_with(before)) << message;
  options.vocab_size = std::stoll(message.substr(before.size()));
  EXPECT_EQ(train(options)->vocab_size(), options.vocab_size);
  --options.vocab_size;
  EXPECT_THROW(train(options), Error);
}

TEST_F(TrainVocabularyTest, WhatCannotBeUsedIsNamed) {
  const auto refused = [&](VocabularyOptions options) {
    return message_of([&] { train(options); });
  };
  EXPECT_NE(refused({.vocab_size = 6, .own_pieces = {"sks", "ohwx"}}).find("more than 6"),
            std::string::npos);
  EXPECT_NE(refused({.vocab_size = 90, .max_length = 2, .own_pieces = {}}).find("model_max_length"),
            std::string::npos);
  for (const char* word : {"", "two words", "a,b", "\xef\xbc\xa1"}) {  // the last: full-width A
    const std::string message = refused({.vocab_size = 90, .own_pieces = {word}});
    EXPECT_NE(message.find(concat("own_pieces: '", word, "'")), std::string::npos)
        << word << ": " << message;
  }
  EXPECT_NE(message_of([&] {
              train_vocabulary({"", " "}, options_, folder_.path());
            }).find("needs captions"),
            std::string::npos);
  EXPECT_NE(message_of([&] {
              train_vocabulary({"icon \xff"}, options_, folder_.path());
            }).find("not valid UTF-8 at byte 5"),
            std::string::npos);
}

}  // namespace
}  // namespace dorabooth::train_vocabulary_test
