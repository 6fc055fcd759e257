// Words to placeholders, and placeholders to rows.
#include "pipelines/parts/token_abstractions.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cctype>
#include <sstream>

#include "src/base/error.h"

namespace dorabooth {

namespace {

constexpr int64_t kUsualCount = 2;

bool holds(const CaptionedPicture& picture, const std::string& text) {
  const auto has = [&](const std::string& caption) {
    return caption.find(text) != std::string::npos;
  };
  return has(picture.caption) ||
         std::any_of(picture.alternatives.begin(), picture.alternatives.end(), has);
}

}  // namespace

std::vector<std::string> abstraction_words(const TrainConfig& config) {
  std::vector<std::string> words;
  for (const std::string& list : config.token_abstraction) {
    std::istringstream parts(list);
    for (std::string word; std::getline(parts, word, ',');) {
      std::erase_if(word, [](unsigned char c) { return std::isspace(c); });
      if (word.empty()) {
        throw UsageError(concat("--token_abstraction: want words, got '", list, "'"));
      }
      if (std::find(words.begin(), words.end(), word) != words.end()) {
        throw UsageError(concat("--token_abstraction: '", word, "' is given twice"));
      }
      words.push_back(word);
    }
  }
  if (words.empty()) words.push_back("TOK");
  return words;
}

TokenAbstractions::TokenAbstractions(const TrainConfig& config, const SdxlBundle& base)
    : words_(abstraction_words(config)),
      initializer_(config.initializer_concept),
      count_(config.num_new_tokens_per_abstraction.value_or(kUsualCount)) {
  if (initializer_) count_ = token_count(base, *initializer_);
  if (count_ == 0) {
    throw UsageError(concat("--initializer_concept: '", *initializer_, "' has no tokens"));
  }
  for (const std::string& word : words_) {
    for (int64_t i = 0; i < count_; ++i) {
      placeholders_.push_back(concat("<s", placeholders_.size(), ">"));
      by_word_[word] += placeholders_.back();
    }
  }
}

std::string TokenAbstractions::replaced(const std::string& text) const {
  std::string result;
  for (size_t i = 0; i < text.size();) {
    const std::string* longest = nullptr;
    for (const std::string& word : words_) {
      if (text.compare(i, word.size(), word) != 0) continue;
      if (!longest || word.size() > longest->size()) longest = &word;
    }
    result += longest ? by_word_.at(*longest) : text.substr(i, 1);
    i += longest ? longest->size() : 1;
  }
  return result;
}

void TokenAbstractions::replace_in(ImageFolder& folder) const {
  for (CaptionedPicture& picture : folder.pictures) {
    picture.caption = replaced(picture.caption);
    for (std::string& other : picture.alternatives) other = replaced(other);
    const std::string class_prompt = picture.class_prompt.value_or("");
    if (replaced(class_prompt) != class_prompt) {
      throw UsageError(concat("the class prompt '", class_prompt,
                              "' holds a word of --token_abstraction: class pictures are of the "
                              "class without what is learned"));
    }
  }
}

void TokenAbstractions::require_in(const ImageFolder& folder) const {
  for (const auto& [word, text] : by_word_) {
    const bool found =
        std::any_of(folder.pictures.begin(), folder.pictures.end(),
                    [&](const CaptionedPicture& picture) { return holds(picture, text); });
    if (found) continue;
    throw UsageError(concat("--train_text_encoder_ti: no caption holds ", word,
                            ", so there is nothing to learn its embeddings from; put it into "
                            "--instance_prompt or the captions, or name another word by "
                            "--token_abstraction"));
  }
}

std::vector<NewToken> TokenAbstractions::new_tokens() const {
  std::vector<NewToken> tokens;
  for (const std::string& placeholder : placeholders_)
    tokens.push_back({placeholder, static_cast<int64_t>(tokens.size()), 1});
  return tokens;
}

TokenEmbeddings TokenAbstractions::initial(const SdxlBundle& base, uint64_t seed) const {
  const auto words = static_cast<int64_t>(words_.size());
  if (!initializer_) return random_token_embeddings(base, words * count_, seed);
  const TokenEmbeddings one = token_embeddings_of(base, *initializer_, count_);
  return {one.clip_l.repeat({words, 1}), one.clip_g.repeat({words, 1})};
}

TrainConfig TokenAbstractions::shown(TrainConfig config) const {
  for (std::string& prompt : config.validation_prompt) prompt = replaced(prompt);
  return config;
}

std::optional<TaughtTokens> teach_tokens(const TrainConfig& config, SdxlBundle& base,
                                         const std::vector<ImageFolder*>& folders, RunFacts& facts,
                                         const Log& log) {
  if (!config.train_text_encoder_ti) return std::nullopt;
  const TokenAbstractions words(config, base);
  for (ImageFolder* folder : folders) words.replace_in(*folder);
  words.require_in(*folders.front());
  facts.embedding_file = embedding_file_name(config.output_dir);
  facts.placeholders = words.placeholders();
  facts.abstractions = words.by_word();
  for (const auto& [word, placeholders] : words.by_word())
    log.info(concat(word, " stands for ", placeholders, " in prompts and captions"));
  const auto trigger = facts.adapter_metadata.find("modelspec.trigger_phrase");
  if (trigger != facts.adapter_metadata.end()) trigger->second = words.replaced(trigger->second);
  const TokenEmbeddings first_rows = words.initial(base, static_cast<uint64_t>(config.seed));
  add_tokens(base, words.new_tokens());
  return TaughtTokens{words, first_rows, first_rows.attach(base)};
}

}  // namespace dorabooth
