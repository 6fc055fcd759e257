// A CLIP tokenizer over a vocabulary of a few symbols: merges, special tokens, windows, bad files.
#include <gtest/gtest.h>

#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/tokenizers/tokenizer.h"
#include "tests/support/fixtures.h"

namespace dorabooth::clip_tokenizer_test {
namespace {

using Ids = std::vector<int64_t>;
using testing::message_of;

enum : int64_t { kBang, kA, kB, kAEnd, kBEnd, kABEnd, kAB, kBos, kEos, kAAEnd, kBangEnd, kAA };

class ClipTokenizerTest : public ::testing::Test {
 protected:
  ClipTokenizerTest() {
    write("vocab.json",
          R"({"!":0,"a":1,"b":2,"a</w>":3,"b</w>":4,"ab</w>":5,"ab":6,"<|startoftext|>":7,)"
          R"("<|endoftext|>":8,"aa</w>":9,"!</w>":10,"aa":11})");
    write("merges.txt", "#version: 0.2\na b\na b</w>\na a\na a</w>\n");
    write("tokenizer_config.json", R"({"model_max_length":5,"pad_token":"<|endoftext|>"})");
  }

  void write(const std::string& name, const std::string& text) {
    write_file_atomically(folder_.path() / name, text);
  }
  std::unique_ptr<Tokenizer> open() const { return open_tokenizer(folder_.path()); }
  Ids content(const std::string& text) const {
    const Ids ids = open()->encode(text);
    return {ids.begin() + 1, ids.end() - 1};
  }
  void expect_refused(const std::string& reason) const {
    const std::string message = message_of([&] { open(); });
    EXPECT_NE(message.find(reason), std::string::npos) << "want '" << reason << "' in: " << message;
  }

  testing::TemporaryFolder folder_;
};

TEST_F(ClipTokenizerTest, LowestRankMergesFirstAndLeftmostAmongEquals) {
  EXPECT_EQ(content("ab"), (Ids{kABEnd}));
  EXPECT_EQ(content("abab"), (Ids{kAB, kABEnd}));
  EXPECT_EQ(content("aaa"), (Ids{kAA, kAEnd}));
  EXPECT_EQ(content("aab"), (Ids{kA, kABEnd}));
  EXPECT_EQ(content("A  B\tab"), (Ids{kAEnd, kBEnd, kABEnd}));
}

TEST_F(ClipTokenizerTest, EmptyTextIsBosAndEos) {
  EXPECT_EQ(open()->encode(""), (Ids{kBos, kEos}));
  EXPECT_EQ(open()->tokenize(" \n").ids, (Ids{kBos, kEos, kEos, kEos, kEos}));
  EXPECT_EQ(open()->tokenize_chunks("").size(), 1u);
}

TEST_F(ClipTokenizerTest, SymbolsOutsideTheVocabularyAreUnknown) {
  EXPECT_EQ(content("ac"), (Ids{kA, kEos}));
}

TEST_F(ClipTokenizerTest, InvalidUtf8NamesItsByte) {
  const auto tokenizer = open();
  for (const char* bad : {"ab \xff", "ab \xc0\xaf", "ab \xed\xa0\x80", "ab \xe2\x82", "ab \x80"}) {
    const std::string message = message_of([&] { tokenizer->encode(bad); });
    EXPECT_NE(message.find("not valid UTF-8 at byte 3"), std::string::npos) << message;
  }
}

TEST_F(ClipTokenizerTest, TruncationKeepsBosAndEosAndTellsWhatItDropped) {
  const auto tokenizer = open();
  const TokenizedPrompt prompt = tokenizer->tokenize("a b a ab b");
  EXPECT_EQ(prompt.ids, (Ids{kBos, kAEnd, kBEnd, kAEnd, kEos}));
  EXPECT_EQ(prompt.length, 5);
  EXPECT_TRUE(prompt.truncated);
  EXPECT_EQ(prompt.dropped_text_or_empty, "ab b");
  const TokenizedPrompt whole = tokenizer->tokenize("a b a");
  EXPECT_FALSE(whole.truncated);
  EXPECT_EQ(whole.length, 5);
  EXPECT_EQ(whole.dropped_text_or_empty, "");
}

TEST_F(ClipTokenizerTest, WindowsFollowOneAnother) {
  EXPECT_EQ(
      open()->tokenize_chunks("a b a ab"),
      (std::vector<Ids>{{kBos, kAEnd, kBEnd, kAEnd, kEos}, {kBos, kABEnd, kEos, kEos, kEos}}));
  EXPECT_EQ(open()->tokenize_chunks("a b a").size(), 1u);
}

TEST_F(ClipTokenizerTest, DecodeRepairsCutCharacters) {
  write("vocab.json", R"({"\u00c3":0,"\u00a9</w>":1,"<|startoftext|>":2,"<|endoftext|>":3})");
  write("merges.txt", "#version: 0.2\n");
  EXPECT_EQ(content("\xc3\xa9"), (Ids{0, 1}));
  EXPECT_EQ(open()->decode({0, 1}), "\xc3\xa9");
  EXPECT_EQ(open()->decode({0}), "\xef\xbf\xbd");
  EXPECT_THROW(open()->decode({4}), Error);
}

TEST_F(ClipTokenizerTest, PlainPadTokenIsCutOutOfTheRawText) {
  EXPECT_EQ(content("a!"), (Ids{kAEnd, kBangEnd}));
  write("tokenizer_config.json", R"({"model_max_length":5,"pad_token":"!"})");
  EXPECT_EQ(content("a!b"), (Ids{kAEnd, kBang, kBEnd}));
  EXPECT_EQ(open()->pad_id(), kBang);
}

TEST_F(ClipTokenizerTest, NormalizedTokensMatchInAnyCaseAndRawOnesDoNot) {
  // bos_token is normalized by default; the plain pad token makes <|endoftext|> a raw one.
  EXPECT_EQ(content("<|StartOfText|>"), (Ids{kBos}));
  EXPECT_EQ(content("<|endoftext|>"), (Ids{kEos}));
  EXPECT_NE(content("<|EndOfText|>"), (Ids{kEos}));
  EXPECT_GT(content("<|EndOfText|>").size(), 3u);
}

TEST_F(ClipTokenizerTest, SpecialTokensMapOverridesTheConfig) {
  write("special_tokens_map.json", R"({"pad_token":"!"})");
  EXPECT_EQ(open()->pad_id(), kBang);
}

TEST_F(ClipTokenizerTest, DecoderOfAddedTokensOverridesBoth) {
  write("special_tokens_map.json", R"({"pad_token":"!"})");
  write("tokenizer_config.json",
        R"({"model_max_length":5,"pad_token":"<|endoftext|>","added_tokens_decoder":{)"
        R"("8":{"content":"<|endoftext|>","normalized":true},)"
        R"("12":{"content":"sks","normalized":false}}})");
  EXPECT_EQ(open()->pad_id(), kEos);
  EXPECT_EQ(content("<|EndOfText|>"), (Ids{kEos}));
  EXPECT_EQ(content("asks"), (Ids{kAEnd, 12}));
  EXPECT_EQ(open()->vocab_size(), 13);
  EXPECT_EQ(open()->decode({kAEnd, 12}), "a sks");
}

TEST_F(ClipTokenizerTest, AddedTokensFileGivesPlaceholders) {
  write("added_tokens.json", R"({"<style>":12,"<style>b":13})");
  EXPECT_EQ(content("a <STYLE> <style>b"), (Ids{kAEnd, 12, 13}));
}

TEST_F(ClipTokenizerTest, LongWordTakesNoQuadraticTime) {
  EXPECT_EQ(content(std::string(300001, 'a')).size(), 150001u);
}

TEST_F(ClipTokenizerTest, BadFilesAreNamed) {
  write("merges.txt", "#version: 0.2\na b c\n");
  expect_refused("merges.txt: line 2 is not two symbols");
  write("merges.txt", "a z\n");
  expect_refused("merges.txt: line 1: 'z' is not in the vocabulary");
  std::filesystem::remove(folder_.path() / "merges.txt");
  expect_refused("merges.txt");
  write("merges.txt", "");
  write("vocab.json", R"({"a":0,"b":0})");
  expect_refused("share the id 0");
  write("vocab.json", R"({"a":-1})");
  expect_refused("the id of 'a'");
  write("vocab.json", R"(["a"])");
  expect_refused("vocab.json: a vocabulary is a JSON object");
  write("vocab.json", R"({"a":0})");
  expect_refused("neither the byte symbol");
  std::filesystem::remove(folder_.path() / "vocab.json");
  expect_refused("has no tokenizer");
}

TEST_F(ClipTokenizerTest, BadConfigsAreNamed) {
  for (const auto& [config, reason] : std::vector<std::pair<std::string, std::string>>{
           {R"({"pad_token":"<pad>"})", "'<pad>' is not in its vocabulary"},
           {R"({"pad_token":""})", "pad_token is empty"},
           {R"({"pad_token":3})", "pad_token must be a string"},
           {R"({"bos_token":{"content":"a","lstrip":true}})", "'lstrip' is not supported"},
           {R"({"model_max_length":2})", "model_max_length"},
           {R"({"model_max_length":1e30})", "model_max_length"},
           {R"({"added_tokens_decoder":{"x":{"content":"a"}}})", "the id of added token 'a'"},
           {R"([])", "not a JSON object"},
           {R"({)", "not a JSON object"}}) {
    write("tokenizer_config.json", config);
    expect_refused(reason);
  }
}

}  // namespace
}  // namespace dorabooth::clip_tokenizer_test
