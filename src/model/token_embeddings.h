// Embeddings of tokens that a base does not have, for both of its text encoders: what textual
// inversion (Gal et al. 2022) and pivotal tuning learn. The base's own tables are never written.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "src/model/bundle.h"

namespace dorabooth {

// A string in prompts and the rows of embeddings that stand in its place.
struct NewToken {
  std::string text;
  int64_t first = 0;  // row
  int64_t count = 1;
};

// `bundle`'s tokenizers know the tokens from now on: row i has id vocab_size + i of each text
// encoder. Several tokens may stand for one row.
void add_tokens(SdxlBundle& bundle, const std::vector<NewToken>& tokens);

// Takes embeddings out of the text encoders again when it ends.
class TokenEmbeddingScope {
 public:
  TokenEmbeddingScope() = default;
  TokenEmbeddingScope(const SdxlBundle& bundle, const at::Tensor& clip_l, const at::Tensor& clip_g);
  TokenEmbeddingScope(TokenEmbeddingScope&& other) noexcept;
  TokenEmbeddingScope& operator=(TokenEmbeddingScope&& other) noexcept;
  ~TokenEmbeddingScope();

 private:
  void release();
  std::shared_ptr<ClipTextModel> encoders_[2];
  at::Tensor before_[2];
};

// The rows of new tokens: [count, hidden_size of text_encoder] and
// [count, hidden_size of text_encoder_2], named as their file names them.
struct TokenEmbeddings {
  at::Tensor clip_l;
  at::Tensor clip_g;

  int64_t count() const { return clip_l.defined() ? clip_l.size(0) : 0; }
  // In the encoders while the result lives; nothing where there are none.
  TokenEmbeddingScope attach(const SdxlBundle& bundle) const;
};

// Standard deviation (unbiased) of all numbers of a text encoder's own table.
double token_table_std(const ClipTextModel& encoder);

// Normal values with the standard deviation of the encoder's table, from the streams
// "init/text_encoder.token_embedding" and "init/text_encoder_2.token_embedding" of the seed; fp32,
// on the bundle's device (cog-sdxl's and diffusers' TokenEmbeddingsHandler).
TokenEmbeddings random_token_embeddings(const SdxlBundle& bundle, int64_t count, uint64_t seed);

// How many tokens a text has, in the tokenizer that cuts it into more.
int64_t token_count(const SdxlBundle& bundle, const std::string& text);
// `count` rows that begin as the text's tokens, over again where it has fewer. Throws if it has
// none.
TokenEmbeddings token_embeddings_of(const SdxlBundle& bundle, const std::string& text,
                                    int64_t count);

}  // namespace dorabooth
