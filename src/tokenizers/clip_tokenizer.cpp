// The pattern of the pre-tokenizer, leftmost match, alternatives in this order:
//   <|startoftext|> | <|endoftext|> | 's|'t|'re|'ve|'m|'ll|'d | [\p{L}]+ | [\p{N}] |
//   [^\s\p{L}\p{N}]+
#include "src/tokenizers/clip_tokenizer.h"

#include <algorithm>

#include "src/base/error.h"
#include "src/tokenizers/unicode_text.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

constexpr std::u32string_view kPatternLiterals[] = {U"<|startoftext|>", U"<|endoftext|>"};
constexpr std::u32string_view kContractions[] = {U"'s", U"'t",  U"'re", U"'ve",
                                                 U"'m", U"'ll", U"'d"};

int64_t id_of(const AddedToken& token, const BytePairs& byte_pairs) {
  if (token.id) return *token.id;
  const std::optional<int64_t> id = byte_pairs.find(token.content);
  if (!id) fail("the tokenizer's special token '", token.content, "' is not in its vocabulary");
  return *id;
}

Tokenizer::Special special_ids(const ClipTokenizerConfig& config, const BytePairs& byte_pairs) {
  const auto id = [&](const std::string& content) {
    const auto token = std::find_if(config.added_tokens.begin(), config.added_tokens.end(),
                                    [&](const AddedToken& a) { return a.content == content; });
    return id_of(token == config.added_tokens.end() ? AddedToken{content, false, {}} : *token,
                 byte_pairs);
  };
  return {id(config.bos_token), id(config.eos_token), id(config.pad_token), config.max_length};
}

// NFC, then each run of white space becomes one space, then lower case.
std::u32string normalize(std::u32string_view text) {
  std::u32string spaced;
  bool in_space = false;
  for (const char32_t character : compose_nfc(text)) {
    const bool is_space = kind_of(character) == CharacterKind::kSpace;
    if (!is_space) spaced += character;
    if (is_space && !in_space) spaced += U' ';
    in_space = is_space;
  }
  return lower_case(spaced);
}

// Cuts the leftmost longest occurrences of `cuts` out of `text`: their ids, and what lies between
// through on_piece, in order.
template <typename Cuts, typename OnPiece>
void split_at(std::u32string_view text, const Cuts& cuts, std::vector<int64_t>& ids,
              OnPiece&& on_piece) {
  size_t piece_start = 0;
  for (size_t i = 0; i < text.size();) {
    const auto match = std::find_if(cuts.begin(), cuts.end(), [&](const auto& cut) {
      return text.substr(i).starts_with(cut.text);
    });
    if (match == cuts.end()) {
      ++i;
      continue;
    }
    if (i > piece_start) on_piece(text.substr(piece_start, i - piece_start));
    ids.push_back(match->id);
    i += match->text.size();
    piece_start = i;
  }
  if (piece_start < text.size()) on_piece(text.substr(piece_start));
}

// Length of the contraction or of the run of one kind at the start of `text`; 0 at white space.
size_t run_length(std::u32string_view text) {
  for (const std::u32string_view contraction : kContractions) {
    if (text.starts_with(contraction)) return contraction.size();
  }
  const CharacterKind kind = kind_of(text.front());
  if (kind == CharacterKind::kSpace) return 0;
  size_t length = 1;
  while (length < text.size() && kind_of(text[length]) == kind) ++length;
  return length;
}

}  // namespace

ClipTokenizer::ClipTokenizer(const fs::path& vocab_json, const fs::path& merges_txt,
                             const ClipTokenizerConfig& config)
    : ClipTokenizer(BytePairs(vocab_json, merges_txt, config.unk_token), config) {}

ClipTokenizer::ClipTokenizer(BytePairs byte_pairs, const ClipTokenizerConfig& config)
    : Tokenizer(special_ids(config, byte_pairs)),
      byte_pairs_(std::move(byte_pairs)),
      added_tokens_(config.added_tokens),
      vocab_size_(byte_pairs_.size()) {
  for (AddedToken& token : added_tokens_) {
    token.id = id_of(token, byte_pairs_);
    vocab_size_ = std::max(vocab_size_, *token.id + 1);
    const std::u32string text = decode_utf8(token.content);
    const std::u32string searched = token.normalized ? normalize(text) : text;
    if (searched.empty()) fail("an added token of the tokenizer is empty");
    (token.normalized ? normalized_cuts_ : raw_cuts_).push_back({searched, *token.id});
  }
  for (std::vector<Cut>* cuts : {&raw_cuts_, &normalized_cuts_}) {
    std::stable_sort(cuts->begin(), cuts->end(),
                     [](const Cut& a, const Cut& b) { return a.text.size() > b.text.size(); });
  }
}

std::vector<int64_t> ClipTokenizer::encode(const std::string& utf8) const {
  std::vector<int64_t> ids = {bos_id()};
  split_at(decode_utf8(utf8), raw_cuts_, ids, [&](std::u32string_view raw) {
    split_at(normalize(raw), normalized_cuts_, ids,
             [&](std::u32string_view normalized) { append_words(normalized, ids); });
  });
  ids.push_back(eos_id());
  return ids;
}

void ClipTokenizer::append_words(std::u32string_view text, std::vector<int64_t>& ids) const {
  while (!text.empty()) {
    const auto literal =
        std::find_if(std::begin(kPatternLiterals), std::end(kPatternLiterals),
                     [&](std::u32string_view candidate) { return text.starts_with(candidate); });
    if (literal != std::end(kPatternLiterals)) {
      // GPT-2's pattern, which runs over every match, splits only these.
      std::u32string_view rest = *literal;
      while (!rest.empty()) {
        const size_t length = run_length(rest);
        append_word(rest.substr(0, length), ids);
        rest.remove_prefix(length);
      }
      text.remove_prefix(literal->size());
      continue;
    }
    size_t length = run_length(text);
    if (length > 1 && kind_of(text.front()) == CharacterKind::kNumber) length = 1;
    if (length > 0) append_word(text.substr(0, length), ids);
    text.remove_prefix(std::max<size_t>(length, 1));
  }
}

void ClipTokenizer::append_word(std::u32string_view word, std::vector<int64_t>& ids) const {
  byte_pairs_.append_ids(encode_utf8(word), ids);
}

std::string ClipTokenizer::decode(const std::vector<int64_t>& ids) const {
  std::string bytes;
  std::vector<int64_t> run;
  const auto flush = [&] {
    bytes += byte_pairs_.decode_bytes(run);
    run.clear();
  };
  for (const int64_t id : ids) {
    const auto added = std::find_if(added_tokens_.begin(), added_tokens_.end(),
                                    [&](const AddedToken& token) { return token.id == id; });
    if (added == added_tokens_.end()) {
      run.push_back(id);
    } else {
      flush();
      bytes += added->content + " ";
    }
  }
  flush();
  while (bytes.ends_with(' ')) bytes.pop_back();
  return repair_utf8(bytes);
}

}  // namespace dorabooth
