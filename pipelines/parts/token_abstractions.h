// The new tokens of a pivotal tuning: which words of prompts and captions stand for them, and where
// they begin (diffusers' train_dreambooth_lora_sdxl_advanced.py; the initializer as in its Flux
// sibling). Internal to pipelines/train.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "datasets/image_folder.h"
#include "pipelines/parts/training_checkpoint.h"
#include "pipelines/train.h"
#include "src/model/token_embeddings.h"

namespace dorabooth {

class TokenAbstractions {
 public:
  // Of a config with train_text_encoder_ti. Every word gets num_new_tokens_per_abstraction
  // placeholders, or as many as initializer_concept has tokens in the base's tokenizers: "<s0>",
  // "<s1>", … counted over all words.
  TokenAbstractions(const TrainConfig& config, const SdxlBundle& base);

  // With every occurrence of a word replaced by its placeholders, as the scripts do: also inside
  // another word. Where two words begin at one place the longer one counts (the scripts replace one
  // after the other, so that TOK is found in TOK2).
  std::string replaced(const std::string& text) const;
  // Replaces in the captions. Throws if a class prompt holds a word: class pictures are of the
  // class without what is learned.
  void replace_in(ImageFolder& folder) const;
  // Throws, naming the word, unless some caption holds each word's placeholders: there would be
  // nothing to learn them from.
  void require_in(const ImageFolder& folder) const;

  // With placeholders in the prompts that it draws.
  TrainConfig shown(TrainConfig config) const;

  const std::vector<std::string>& placeholders() const { return placeholders_; }
  // The placeholders by word: "TOK" → "<s0><s1>".
  const std::map<std::string, std::string>& by_word() const { return by_word_; }
  // What `base`'s tokenizers are to know; see add_tokens.
  std::vector<NewToken> new_tokens() const;
  // Where the rows begin: the same for every adapter of a run.
  TokenEmbeddings initial(const SdxlBundle& base, uint64_t seed) const;

 private:
  std::vector<std::string> words_;  // in the order of their placeholders
  std::vector<std::string> placeholders_;
  std::map<std::string, std::string> by_word_;
  std::optional<std::string> initializer_;
  int64_t count_ = 0;  // placeholders a word
};

struct TaughtTokens {
  TokenAbstractions words;
  TokenEmbeddings first_rows;
  TokenEmbeddingScope in_base;  // they are in the base, where they begin, while this lives
};

// With train_text_encoder_ti: `base`'s tokenizers know the placeholders from now on, the captions
// of `folders` (the first of which trains) hold them, and `facts` name them.
std::optional<TaughtTokens> teach_tokens(const TrainConfig& config, SdxlBundle& base,
                                         const std::vector<ImageFolder*>& folders, RunFacts& facts,
                                         const Log& log);

// The words of token_abstraction: "TOK" where none is given. UsageError for an empty or repeated
// one.
std::vector<std::string> abstraction_words(const TrainConfig& config);

}  // namespace dorabooth
