// SentencePiece's trainer does the merging; here are the ids, the words of one piece, the checks.
#include "src/tokenizers/train_vocabulary.h"

#include <sentencepiece_trainer.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/tokenizers/sentencepiece_tokenizer.h"
#include "src/tokenizers/unicode_text.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

constexpr char32_t kUnknownMark = U'\u2585';  // sentences with it are passed over
constexpr int64_t kSpecials = 4;

class CaptionIterator final : public sentencepiece::SentenceIterator {
 public:
  explicit CaptionIterator(const std::vector<std::string>& captions) : captions_(captions) {}
  bool done() const override { return at_ >= captions_.size(); }
  void Next() override { ++at_; }
  const std::string& value() const override { return captions_[at_]; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  const std::vector<std::string>& captions_;
  size_t at_ = 0;
};

// Lower case, as encoding will see them, with a space for what the trainer keeps for itself.
std::vector<std::string> prepared(const std::vector<std::string>& captions) {
  std::vector<std::string> lines;
  for (const std::string& caption : captions) {
    std::u32string text = lower_case(decode_utf8(caption));
    std::replace_if(
        text.begin(), text.end(), [](char32_t c) { return c < U' ' || c == kUnknownMark; }, U' ');
    if (text.find_first_not_of(U' ') != std::u32string::npos) lines.push_back(encode_utf8(text));
  }
  if (lines.empty()) fail("a vocabulary needs captions, and there is none that is not empty");
  return lines;
}

// One field of a comma-separated list per word, with the space before it: only so is the word one
// piece after another word.
std::string piece_list(const std::vector<std::string>& words) {
  std::string list;
  for (const std::string& word : words) {
    const std::u32string text = decode_utf8(word);
    const bool spaced = std::any_of(text.begin(), text.end(),
                                    [](char32_t c) { return kind_of(c) == CharacterKind::kSpace; });
    if (text.empty() || spaced || word.find_first_of(",\"") != std::string::npos) {
      fail("own_pieces: '", word, "' is not a word without spaces, commas and quotation marks");
    }
    list += (list.empty() ? "" : ",") + (kSpaceMark + encode_utf8(lower_case(text)));
  }
  return list;
}

// bos and eos at `bos` and the next id.
sentencepiece::util::Status train(const std::vector<std::string>& captions,
                                  const VocabularyOptions& options, int64_t bos,
                                  std::string& model) {
  const std::unordered_map<std::string, std::string> arguments = {
      {"model_type", "bpe"},
      {"vocab_size", std::to_string(options.vocab_size)},
      {"character_coverage", "1.0"},
      {"normalization_rule_name", "nmt_nfkc_cf"},
      {"max_sentence_length", "1073741824"},  // bytes; longer ones would be passed over
      {"num_threads", "1"},
      {"minloglevel", "3"},  // it prints nothing
      {"pad_id", "0"},
      {"unk_id", "1"},
      {"bos_id", std::to_string(bos)},
      {"eos_id", std::to_string(bos + 1)},
      {"user_defined_symbols", piece_list(options.own_pieces)}};
  CaptionIterator lines(captions);
  return sentencepiece::SentencePieceTrainer::Train(arguments, &lines, &model);
}

std::string number_after(const std::string& words, const std::string& message) {
  const size_t at = message.find(words);
  if (at == std::string::npos) return "";
  const size_t from = at + words.size();
  return message.substr(from, message.find_first_not_of("0123456789", from) - from);
}

// The trainer says how many pieces there are only where no special token is beyond them.
[[noreturn]] void refuse(const std::vector<std::string>& captions,
                         const VocabularyOptions& options) {
  std::string unused;
  const int64_t size = options.vocab_size;
  const std::string message = train(captions, options, 2, unused).ToString();
  const std::string largest = number_after("set it to a value <= ", message);
  if (!largest.empty()) {
    fail("vocab_size is ", size, ", and these captions fill at most ", largest);
  }
  const std::string least = number_after(concat("required_chars. ", size, " vs "), message);
  if (!least.empty()) {
    fail("vocab_size is ", size, ", and the characters of these captions need ", least);
  }
  fail("SentencePiece cannot make a vocabulary of ", size, " pieces: ", message);
}

// A word that normalisation changes is a piece that no text can have.
void check_own_pieces(const fs::path& folder, const std::vector<std::string>& words) {
  const SentencePieceTokenizer tokenizer(folder);
  for (size_t i = 0; i < words.size(); ++i) {
    const std::vector<int64_t> ids = tokenizer.encode(words[i]);
    if (ids.size() != 3 || ids[1] != static_cast<int64_t>(2 + i)) {
      fail("own_pieces: '", words[i], "' is not encoded as a piece of its own");
    }
  }
}

}  // namespace

void train_vocabulary(const std::vector<std::string>& captions, const VocabularyOptions& options,
                      const fs::path& folder) {
  const auto own = static_cast<int64_t>(options.own_pieces.size());
  if (options.vocab_size <= kSpecials + own) {
    fail("vocab_size must be more than ", kSpecials + own, " (the special tokens",
         own > 0 ? " and own_pieces" : "", "), got ", options.vocab_size);
  }
  if (options.max_length < 3) fail("model_max_length must be at least 3, got ", options.max_length);
  const std::vector<std::string> lines = prepared(captions);
  std::string model;
  if (!train(lines, options, options.vocab_size - 2, model).ok()) refuse(lines, options);
  const nlohmann::ordered_json config = {{"tokenizer_class", "SentencePiece"},
                                         {"vocab_size", options.vocab_size},
                                         {"pad_token_id", 0},
                                         {"unk_token_id", 1},
                                         {"bos_token_id", options.vocab_size - 2},
                                         {"eos_token_id", options.vocab_size - 1},
                                         {"model_max_length", options.max_length},
                                         {"do_lower_case", true},
                                         {"add_prefix_space", true}};
  fs::create_directories(folder);
  write_file_atomically(folder / "spiece.model", model);
  write_file_atomically(folder / "tokenizer_config.json", config.dump(1) + "\n");
  check_own_pieces(folder, options.own_pieces);
}

}  // namespace dorabooth
