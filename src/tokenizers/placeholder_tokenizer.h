// Tokens that a base's tokenizer does not have: placeholder strings in a prompt stand for learned
// embeddings. As transformers' added special tokens: exact, case-sensitive, cut out of the raw text
// before anything else, the leftmost and there the longest; the text between is tokenized as ever.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "src/tokenizers/tokenizer.h"

namespace dorabooth {

struct Placeholder {
  std::string text;          // "<s0>"
  std::vector<int64_t> ids;  // what stands in its place, at least one
};

class PlaceholderTokenizer final : public Tokenizer {
 public:
  // The ids of `placeholders` must lie above the base's. Throws on an empty text, on one that
  // occurs twice, and on one without ids.
  PlaceholderTokenizer(std::shared_ptr<const Tokenizer> base,
                       std::vector<Placeholder> placeholders);

  std::vector<int64_t> encode(const std::string& utf8) const override;
  std::string decode(const std::vector<int64_t>& ids) const override;
  int64_t vocab_size() const override { return vocab_size_; }

 private:
  void append_text(const std::string& piece, std::vector<int64_t>& ids) const;

  std::shared_ptr<const Tokenizer> base_;
  std::vector<Placeholder> placeholders_;  // longest first
  int64_t vocab_size_ = 0;
};

}  // namespace dorabooth
