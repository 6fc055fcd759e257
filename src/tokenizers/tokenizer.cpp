// Windows of max_length ids, and the choice of the tokenizer by the files of a folder.
#include "src/tokenizers/tokenizer.h"

#include "src/base/error.h"
#include "src/tokenizers/clip_tokenizer.h"
#include "src/tokenizers/sentencepiece_tokenizer.h"

namespace dorabooth {

namespace fs = std::filesystem;

Tokenizer::Tokenizer(const Special& special) : special_(special) {}

TokenizedPrompt Tokenizer::tokenize(const std::string& utf8) const {
  TokenizedPrompt prompt;
  prompt.ids = encode(utf8);
  const size_t limit = static_cast<size_t>(max_length());
  if (prompt.ids.size() > limit) {
    prompt.truncated = true;
    const auto first_dropped = prompt.ids.begin() + static_cast<std::ptrdiff_t>(limit) - 1;
    prompt.dropped_text_or_empty = decode({first_dropped, prompt.ids.end() - 1});
    prompt.ids.erase(first_dropped, prompt.ids.end() - 1);
  }
  prompt.length = static_cast<int64_t>(prompt.ids.size());
  prompt.ids.resize(limit, pad_id());
  return prompt;
}

std::vector<std::vector<int64_t>> Tokenizer::tokenize_chunks(const std::string& utf8) const {
  const std::vector<int64_t> ids = encode(utf8);
  const std::ptrdiff_t content = static_cast<std::ptrdiff_t>(max_length()) - 2;
  std::vector<std::vector<int64_t>> windows;
  auto first = ids.begin() + 1;
  const auto end = ids.end() - 1;
  do {
    const auto last = end - first > content ? first + content : end;
    std::vector<int64_t>& window = windows.emplace_back();
    window.push_back(bos_id());
    window.insert(window.end(), first, last);
    window.push_back(eos_id());
    window.resize(static_cast<size_t>(max_length()), pad_id());
    first = last;
  } while (first != end);
  return windows;
}

std::unique_ptr<Tokenizer> open_tokenizer(const fs::path& folder) {
  if (fs::exists(folder / "vocab.json")) {
    return std::make_unique<ClipTokenizer>(folder / "vocab.json", folder / "merges.txt",
                                           read_clip_config(folder));
  }
  if (fs::exists(folder / "spiece.model")) {
    return std::make_unique<SentencePieceTokenizer>(folder);
  }
  fail(folder.string(), " has no tokenizer: neither vocab.json with merges.txt nor spiece.model");
}

std::unique_ptr<Tokenizer> open_clip_tokenizer(const fs::path& vocab_json,
                                               const fs::path& merges_txt,
                                               const std::string& pad_token) {
  return std::make_unique<ClipTokenizer>(vocab_json, merges_txt, published_clip_config(pad_token));
}

}  // namespace dorabooth
