// CLIP's tokenizer as transformers 5 builds it (tokenizers library: added tokens, normalizer,
// pre-tokenizer, byte-pair model, <|startoftext|> … <|endoftext|>).
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "src/tokenizers/byte_pairs.h"
#include "src/tokenizers/clip_config.h"
#include "src/tokenizers/tokenizer.h"

namespace dorabooth {

class ClipTokenizer final : public Tokenizer {
 public:
  ClipTokenizer(const std::filesystem::path& vocab_json, const std::filesystem::path& merges_txt,
                const ClipTokenizerConfig& config);

  std::vector<int64_t> encode(const std::string& utf8) const override;
  std::string decode(const std::vector<int64_t>& ids) const override;
  int64_t vocab_size() const override { return vocab_size_; }

 private:
  struct Cut {
    std::u32string text;
    int64_t id;
  };

  ClipTokenizer(BytePairs byte_pairs, const ClipTokenizerConfig& config);
  void append_words(std::u32string_view normalized, std::vector<int64_t>& ids) const;
  void append_word(std::u32string_view word, std::vector<int64_t>& ids) const;

  BytePairs byte_pairs_;
  std::vector<Cut> raw_cuts_, normalized_cuts_;  // longest first
  std::vector<AddedToken> added_tokens_;
  int64_t vocab_size_ = 0;
};

}  // namespace dorabooth
