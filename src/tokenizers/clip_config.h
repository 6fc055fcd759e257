// Special tokens and window length of a CLIP tokenizer folder, as transformers reads them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace dorabooth {

// A token that is cut out of the text before anything else.
struct AddedToken {
  std::string content;
  bool normalized = false;    // searched in the normalised text instead of the raw text
  std::optional<int64_t> id;  // absent: the vocabulary's
};

struct ClipTokenizerConfig {
  std::vector<AddedToken> added_tokens;  // no content twice
  std::string bos_token, eos_token, pad_token, unk_token;
  int64_t max_length = 77;
};

// The settings of SDXL's published tokenizers with this pad token.
ClipTokenizerConfig published_clip_config(const std::string& pad_token);

// tokenizer_config.json, special_tokens_map.json and added_tokens.json, as far as they are there;
// what they do not say is as in published_clip_config("<|endoftext|>").
ClipTokenizerConfig read_clip_config(const std::filesystem::path& folder);

}  // namespace dorabooth
