// White space beside a placeholder is dropped: CLIP drops all of it, and for SentencePiece every
// piece of text begins a word anyway.
#include "src/tokenizers/placeholder_tokenizer.h"

#include <algorithm>
#include <string_view>

#include "src/base/error.h"
#include "src/tokenizers/unicode_text.h"

namespace dorabooth {

namespace {

std::string trimmed(std::string_view text) {
  constexpr const char* kSpace = " \t\r\n";
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return "";
  return std::string(text.substr(first, text.find_last_not_of(kSpace) - first + 1));
}

}  // namespace

PlaceholderTokenizer::PlaceholderTokenizer(std::shared_ptr<const Tokenizer> base,
                                           std::vector<Placeholder> placeholders)
    : Tokenizer({base->bos_id(), base->eos_id(), base->pad_id(), base->max_length()}),
      base_(std::move(base)),
      placeholders_(std::move(placeholders)),
      vocab_size_(base_->vocab_size()) {
  std::stable_sort(
      placeholders_.begin(), placeholders_.end(),
      [](const Placeholder& a, const Placeholder& b) { return a.text.size() > b.text.size(); });
  for (size_t i = 0; i < placeholders_.size(); ++i) {
    const Placeholder& placeholder = placeholders_[i];
    if (placeholder.text.empty()) fail("a placeholder of new tokens is empty");
    const auto same = [&](const Placeholder& other) { return other.text == placeholder.text; };
    if (std::count_if(placeholders_.begin(), placeholders_.end(), same) > 1) {
      fail("the placeholder '", placeholder.text, "' stands for two things");
    }
    if (placeholder.ids.empty()) fail("the placeholder '", placeholder.text, "' has no tokens");
    for (const int64_t id : placeholder.ids) {
      if (id < base_->vocab_size()) {
        fail("the placeholder '", placeholder.text, "': id ", id, " is one of the base's own ",
             base_->vocab_size());
      }
      vocab_size_ = std::max(vocab_size_, id + 1);
    }
  }
}

std::vector<int64_t> PlaceholderTokenizer::encode(const std::string& utf8) const {
  decode_utf8(utf8);  // throws with the offset in the whole text
  std::vector<int64_t> ids = {bos_id()};
  bool found = false;
  size_t piece_start = 0;
  for (size_t i = 0; i < utf8.size();) {
    const auto match = std::find_if(
        placeholders_.begin(), placeholders_.end(),
        [&](const Placeholder& p) { return utf8.compare(i, p.text.size(), p.text) == 0; });
    if (match == placeholders_.end()) {
      ++i;
      continue;
    }
    append_text(utf8.substr(piece_start, i - piece_start), ids);
    ids.insert(ids.end(), match->ids.begin(), match->ids.end());
    found = true;
    i += match->text.size();
    piece_start = i;
  }
  if (!found) return base_->encode(utf8);
  append_text(utf8.substr(piece_start), ids);
  ids.push_back(eos_id());
  return ids;
}

void PlaceholderTokenizer::append_text(const std::string& piece, std::vector<int64_t>& ids) const {
  const std::string text = trimmed(piece);
  if (text.empty()) return;
  const std::vector<int64_t> own = base_->encode(text);
  ids.insert(ids.end(), own.begin() + 1, own.end() - 1);
}

std::string PlaceholderTokenizer::decode(const std::vector<int64_t>& ids) const {
  std::vector<std::string> parts;
  std::vector<int64_t> run;
  const auto flush = [&] {
    if (!run.empty()) parts.push_back(base_->decode(run));
    run.clear();
  };
  for (size_t i = 0; i < ids.size(); ++i) {
    const auto owner = std::find_if(placeholders_.begin(), placeholders_.end(), [&](const auto& p) {
      return std::find(p.ids.begin(), p.ids.end(), ids[i]) != p.ids.end();
    });
    if (owner == placeholders_.end()) {
      run.push_back(ids[i]);
      continue;
    }
    flush();
    // Further ids of one placeholder say nothing new.
    const bool goes_on =
        i > 0 && ids[i] == ids[i - 1] + 1 && ids[i] != owner->ids.front() &&
        std::find(owner->ids.begin(), owner->ids.end(), ids[i - 1]) != owner->ids.end();
    if (!goes_on) parts.push_back(owner->text);
  }
  flush();
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : " ") + part;
  return text;
}

}  // namespace dorabooth
