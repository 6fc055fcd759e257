// Files of token embeddings loaded for one base: their tokens in its tokenizers, their rows in its
// text encoders. Internal to the pipelines.
#pragma once

#include <string>
#include <vector>

#include "pipelines/embedding_argument.h"
#include "src/base/log.h"
#include "src/model/token_embeddings.h"

namespace dorabooth {

struct LoadedEmbedding {
  EmbeddingArgument argument;
  std::string sha256;  // of the file
  std::vector<NewToken> tokens;
};

class EmbeddingStack {
 public:
  EmbeddingStack() = default;
  // The tokens of a file: the argument's for all of its rows; else the placeholders and words that
  // the file names; else its stem. Errors name the file: absent, of another kind or width, a token
  // twice.
  EmbeddingStack(const std::vector<EmbeddingArgument>& arguments, const SdxlBundle& bundle,
                 const Log& log);

  bool empty() const { return embeddings_.empty(); }
  const std::vector<LoadedEmbedding>& embeddings() const { return embeddings_; }
  // `bundle` with tokenizers that know the tokens; the models are the same.
  SdxlBundle with_tokens(const SdxlBundle& bundle) const;
  // In the text encoders while the result lives.
  TokenEmbeddingScope attach(const SdxlBundle& bundle) const { return rows_.attach(bundle); }

  // A warning for every file of which no text holds a token; not for those that an adapter brings.
  void warn_of_unused(const std::vector<std::string>& texts, const Log& log) const;
  // A warning for every adapter that was trained with embeddings which are not loaded though a text
  // holds one of their tokens.
  void warn_of_missing(const std::vector<std::string>& adapters,
                       const std::vector<std::string>& texts, const Log& log) const;

 private:
  bool knows(const std::string& token) const;

  std::vector<LoadedEmbedding> embeddings_;
  TokenEmbeddings rows_;  // of all files, in order
};

}  // namespace dorabooth
