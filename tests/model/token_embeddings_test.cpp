// New tokens on the bundled base: what they are encoded as, where they begin, and that the base's
// own tables stay as they are.
#include "src/model/token_embeddings.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "src/base/error.h"
#include "src/model/prompt_encoding.h"
#include "tests/support/fixtures.h"

namespace dorabooth::token_embeddings_test {
namespace {

using testing::message_of;

class TokenEmbeddingsTest : public ::testing::Test {
 protected:
  static SdxlBundle base() {
    LoadOptions options;
    options.components = {Component::kTextEncoder, Component::kTextEncoder2};
    return load_bundle(testing::source_dir() / "assets/base", options);
  }
  SdxlBundle with_tokens() const {
    SdxlBundle bundle = bundle_;
    add_tokens(bundle, {{"<s0>", 0, 1}, {"TOK", 1, 2}});
    return bundle;
  }
  static PromptEmbeds encode(const SdxlBundle& bundle, const std::string& prompt) {
    return encode_prompts(bundle, {prompt}, LongPrompts::kCut, Log());
  }

  const SdxlBundle bundle_ = base();
};

TEST_F(TokenEmbeddingsTest, ARowOfTheBaseIsEncodedAsItsOwnToken) {
  const at::NoGradGuard no_grad;
  const SdxlBundle bundle = with_tokens();
  const TokenEmbeddings rows = token_embeddings_of(bundle, "red apple sks", 3);
  const TokenEmbeddingScope scope = rows.attach(bundle);
  const PromptEmbeds own = encode(bundle_, "a red icon of apple sks");
  const PromptEmbeds added = encode(bundle, "a <s0> icon of TOK");
  EXPECT_TRUE(at::equal(added.prompt_embeds, own.prompt_embeds));
  EXPECT_TRUE(at::equal(added.pooled, own.pooled));
}

TEST_F(TokenEmbeddingsTest, TheScopePutsBackWhatWasThere) {
  const TokenEmbeddings first = random_token_embeddings(bundle_, 1, 0);
  const TokenEmbeddings second = random_token_embeddings(bundle_, 2, 1);
  {
    const auto outer = first.attach(bundle_);
    {
      TokenEmbeddingScope inner = second.attach(bundle_);
      const TokenEmbeddingScope moved = std::move(inner);
      EXPECT_TRUE(bundle_.text_encoder->added_embeddings().is_same(second.clip_l));
    }
    EXPECT_TRUE(bundle_.text_encoder_2->added_embeddings().is_same(first.clip_g));
  }
  EXPECT_FALSE(bundle_.text_encoder->added_embeddings().defined());
  EXPECT_FALSE(bundle_.text_encoder_2->added_embeddings().defined());
}

TEST_F(TokenEmbeddingsTest, GradientsReachTheRowsAndNothingElse) {
  const SdxlBundle bundle = with_tokens();
  const at::Tensor before = bundle.text_encoder->token_table().clone();
  TokenEmbeddings rows = random_token_embeddings(bundle, 3, 0);
  rows.clip_l.requires_grad_(true);
  rows.clip_g.requires_grad_(true);
  {
    const auto scope = rows.attach(bundle);
    const PromptEmbeds embeds = encode(bundle, "a TOK icon");
    (embeds.prompt_embeds.square().sum() + embeds.pooled.square().sum()).backward();
  }
  for (const at::Tensor& one : {rows.clip_l, rows.clip_g}) {
    EXPECT_EQ(one.grad()[0].abs().max().item<double>(), 0.0) << "<s0> is not in the prompt";
    EXPECT_GT(one.grad()[1].abs().max().item<double>(), 0.0);
    EXPECT_GT(one.grad()[2].abs().max().item<double>(), 0.0);
  }
  EXPECT_FALSE(bundle.text_encoder->token_table().requires_grad());
  EXPECT_TRUE(at::equal(bundle.text_encoder->token_table(), before));
}

TEST_F(TokenEmbeddingsTest, RandomRowsHaveTheTablesSpread) {
  for (const auto& encoder : {bundle_.text_encoder, bundle_.text_encoder_2}) {
    EXPECT_NEAR(token_table_std(*encoder),
                encoder->token_table().to(at::kDouble).std().item<double>(), 1e-9);
  }
  const TokenEmbeddings rows = random_token_embeddings(bundle_, 200, 3);
  const double ratio = rows.clip_l.std().item<double>() / token_table_std(*bundle_.text_encoder);
  EXPECT_NEAR(ratio, 1.0, 0.02);
  const TokenEmbeddings fewer = random_token_embeddings(bundle_, 2, 3);
  EXPECT_TRUE(at::equal(fewer.clip_g, rows.clip_g.slice(0, 0, 2)));
  EXPECT_FALSE(at::equal(fewer.clip_l, random_token_embeddings(bundle_, 2, 4).clip_l));
  EXPECT_FALSE(at::equal(rows.clip_l[0], rows.clip_l[1]));
}

TEST_F(TokenEmbeddingsTest, InitializersRepeat) {
  const TokenEmbeddings rows = token_embeddings_of(bundle_, "red apple", 3);
  EXPECT_EQ(token_count(bundle_, "red apple"), 2);
  EXPECT_TRUE(at::equal(rows.clip_l[2], rows.clip_l[0]));
  EXPECT_FALSE(at::equal(rows.clip_l[1], rows.clip_l[0]));
  EXPECT_NE(message_of([&] { token_embeddings_of(bundle_, " ", 1); }).find("has no token"),
            std::string::npos);
}

TEST_F(TokenEmbeddingsTest, AnIdBeyondTheRowsIsAnError) {
  const SdxlBundle bundle = with_tokens();
  const auto scope = random_token_embeddings(bundle, 2, 0).attach(bundle);
  EXPECT_NE(message_of([&] { encode(bundle, "TOK"); }).find("2 were added"), std::string::npos);
}

}  // namespace
}  // namespace dorabooth::token_embeddings_test
