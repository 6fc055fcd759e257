// Text to token ids: one interface over CLIP's byte-pair encoding and SentencePiece.
// Objects are immutable after opening; any number of threads may use one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace dorabooth {

struct TokenizedPrompt {
  std::vector<int64_t> ids;  // [max_length]: BOS, tokens, EOS, then pad ids
  int64_t length = 0;        // ids before the padding
  bool truncated = false;
  std::string dropped_text_or_empty;  // what did not fit, decoded
};

class Tokenizer {
 public:
  struct Special {
    int64_t bos_id = 0;
    int64_t eos_id = 0;
    int64_t pad_id = 0;
    int64_t max_length = 0;  // ids of one window, BOS and EOS included
  };

  virtual ~Tokenizer() = default;
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  // With BOS and EOS, of any length. Throws on invalid UTF-8, with the byte's offset.
  virtual std::vector<int64_t> encode(const std::string& utf8) const = 0;
  // Text that these ids stand for (normalised, so not always the text they came from); valid UTF-8.
  virtual std::string decode(const std::vector<int64_t>& ids) const = 0;
  // One more than the largest id.
  virtual int64_t vocab_size() const = 0;

  int64_t bos_id() const { return special_.bos_id; }
  int64_t eos_id() const { return special_.eos_id; }
  int64_t pad_id() const { return special_.pad_id; }
  int64_t max_length() const { return special_.max_length; }

  // One window: BOS, the first max_length - 2 tokens, EOS, padding.
  TokenizedPrompt tokenize(const std::string& utf8) const;
  // As many windows as the text needs (at least one), each BOS, tokens, EOS, padding.
  std::vector<std::vector<int64_t>> tokenize_chunks(const std::string& utf8) const;

 protected:
  explicit Tokenizer(const Special& special);

 private:
  Special special_;
};

// A tokenizer folder of a diffusers base: CLIP (vocab.json, merges.txt) or SentencePiece
// (spiece.model), with tokenizer_config.json and special_tokens_map.json.
std::unique_ptr<Tokenizer> open_tokenizer(const std::filesystem::path& folder);

// CLIP's tokenizer as published for SDXL from a vocabulary alone, for bases that ship none. The pad
// token is "<|endoftext|>" for the first text encoder and "!" for the second.
std::unique_ptr<Tokenizer> open_clip_tokenizer(const std::filesystem::path& vocab_json,
                                               const std::filesystem::path& merges_txt,
                                               const std::string& pad_token);

}  // namespace dorabooth
