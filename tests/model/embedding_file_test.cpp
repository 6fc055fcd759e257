// Files with clip_l and clip_g, and the words for files that are something else.
#include "src/model/embedding_file.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/tensorfile/safetensors.h"
#include "tests/model/fake_files.h"
#include "tests/support/fixtures.h"

namespace dorabooth::embedding_file_test {
namespace {

namespace fs = std::filesystem;
using testing::message_of;

class EmbeddingFileTest : public ::testing::Test {
 protected:
  fs::path file(const std::string& name = "x.safetensors") const { return folder_.path() / name; }

  fs::path with(const testing::Shapes& shapes,
                const std::map<std::string, std::string>& metadata = {}) const {
    testing::write_fake_file(file(), shapes, metadata);
    return file();
  }
  void expect_refused(const fs::path& path, const std::string& reason) const {
    const std::string message = message_of([&] { read_embedding_file(path, Log()); });
    EXPECT_NE(message.find(reason), std::string::npos) << message;
    EXPECT_NE(message.find(path.string()), std::string::npos) << message;
  }

  testing::TemporaryFolder folder_;
};

TEST_F(EmbeddingFileTest, RowsAndPlaceholdersComeBack) {
  EmbeddingFile written;
  written.rows = {at::arange(8, at::kFloat).view({2, 4}), at::arange(6, at::kFloat).view({2, 3})};
  written.placeholders = {"<s0>", "<s1>"};
  written.words = {{"TOK", "<s0><s1>"}};
  write_embedding_file(file("a.safetensors"), written, {{"ss_steps", "7"}});
  write_embedding_file(file("b.safetensors"), written, {{"ss_steps", "7"}});
  EXPECT_TRUE(read_file(file("a.safetensors")) == read_file(file("b.safetensors")));
  const EmbeddingFile read = read_embedding_file(file("a.safetensors"), Log());
  EXPECT_TRUE(at::equal(read.rows.clip_l, written.rows.clip_l));
  EXPECT_TRUE(at::equal(read.rows.clip_g, written.rows.clip_g));
  EXPECT_EQ(read.placeholders, written.placeholders);
  EXPECT_EQ(read.rows.count(), 2);
  const std::vector<NewToken> tokens = read.tokens();
  ASSERT_EQ(tokens.size(), 3u);
  EXPECT_EQ(tokens[1].text, "<s1>");
  EXPECT_EQ(tokens[1].first, 1);
  EXPECT_EQ(tokens[2].text, "TOK");
  EXPECT_EQ(tokens[2].first, 0);
  EXPECT_EQ(tokens[2].count, 2);
  const SafetensorsFile raw(file("a.safetensors"));
  EXPECT_EQ(raw.metadata().at("ss_steps"), "7");
  EXPECT_NE(raw.metadata().at("dorabooth").find("TOK"), std::string::npos);
}

TEST_F(EmbeddingFileTest, FilesOfOtherToolsSayNoPlaceholders) {
  const EmbeddingFile read =
      read_embedding_file(with({{"clip_l", {4}}, {"clip_g", {1, 3}}}), Log());
  EXPECT_EQ(read.rows.clip_l.sizes(), (std::vector<int64_t>{1, 4}));
  EXPECT_TRUE(read.placeholders.empty());
}

TEST_F(EmbeddingFileTest, AnAdaptersBundledEmbeddingsBearTheirPlaceholders) {
  const EmbeddingFile read = read_embedding_file(with({{"bundle_emb.a.b.clip_l", {2, 4}},
                                                       {"bundle_emb.a.b.clip_g", {2, 3}},
                                                       {"bundle_emb.<s0>.clip_l", {4}},
                                                       {"bundle_emb.<s0>.clip_g", {3}},
                                                       {"lora_unet_x.lora_up.weight", {8, 2}}}),
                                                 Log());
  EXPECT_EQ(read.rows.clip_l.sizes(), (std::vector<int64_t>{3, 4}));
  EXPECT_EQ(read.rows.clip_g.sizes(), (std::vector<int64_t>{3, 3}));
  std::map<std::string, int64_t> counts;
  for (const NewToken& token : read.tokens()) counts[token.text] = token.count;
  EXPECT_EQ(counts, (std::map<std::string, int64_t>{{"a.b", 2}, {"<s0>", 1}}));
}

TEST_F(EmbeddingFileTest, OutputEmbeddingsAreLeftOutWithAWord) {
  std::vector<std::string> words;
  const Log log([&](LogLevel, const std::string& text) { words.push_back(text); });
  read_embedding_file(with({{"clip_l", {1, 4}}, {"clip_g", {1, 3}}, {"clip_g_out", {1, 3}}}), log);
  ASSERT_EQ(words.size(), 1u);
  EXPECT_NE(words[0].find("clip_g_out"), std::string::npos);
  expect_refused(with({{"clip_l_out", {1, 4}}, {"clip_g_out", {1, 3}}}), "output embeddings");
}

TEST_F(EmbeddingFileTest, OtherFilesAreRefusedByWhatTheyAre) {
  expect_refused(with({{"emb_params", {2, 768}}}), "Stable Diffusion 1 or 2");
  expect_refused(with({{"lora_unet_x.lora_down.weight", {2, 2}}}), "it is an adapter");
  expect_refused(with({{"bundle_emb.x.clip_l", {2, 2}}}), "no bundle_emb.x.clip_g");
  expect_refused(with({{"bundle_emb.x.string_to_param.*", {2, 2}}}), "bundle_emb.<placeholder>");
  expect_refused(with({{"bundle_emb.x.clip_l", {2, 4}}, {"bundle_emb.x.clip_g", {1, 3}}}),
                 "2 rows, clip_g 1");
  expect_refused(with({{"something", {2, 2}}}), "it has something");
  expect_refused(with({{"clip_l", {2, 4}}}), "no clip_g");
  expect_refused(with({{"clip_l", {2, 4}}, {"clip_g", {1, 3}}}), "2 rows, clip_g 1");
  expect_refused(with({{"clip_l", {2, 4, 1}}, {"clip_g", {2, 3}}}), "want numbers");
  expect_refused(with({{"clip_l", {2, 4}}, {"clip_g", {2, 3}}, {"unknown", {1}}}), "no place");
  expect_refused(with({{"clip_l", {2, 4}}, {"clip_g", {2, 3}}},
                      {{"dorabooth", R"({"placeholder_tokens":["<s0>"]})"}}),
                 "placeholder_tokens");
  expect_refused(file("absent.safetensors"), "no such embedding file");
  write_file_atomically(file("old.pt"), "x");
  expect_refused(file("old.pt"), "pickle");
}

}  // namespace
}  // namespace dorabooth::embedding_file_test
