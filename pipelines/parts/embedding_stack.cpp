// Rows of all files lie behind one another, as the ids of their tokens do.
#include "pipelines/parts/embedding_stack.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/model/embedding_file.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

// Rows count from the file's first.
std::vector<NewToken> tokens_of(const EmbeddingArgument& argument, const EmbeddingFile& file) {
  const std::string stem = fs::path(argument.path).stem().string();
  if (argument.token || file.placeholders.empty()) {
    return {{argument.token.value_or(stem), 0, file.rows.count()}};
  }
  return file.tokens();
}

void check_width(const std::string& path, const char* name, const at::Tensor& rows,
                 const ClipTextModel& encoder) {
  if (rows.size(1) != encoder.config().hidden_size) {
    fail(path, ": ", name, " is an embedding of width ", rows.size(1),
         ", the base's text encoder has ", encoder.config().hidden_size);
  }
}

bool any_holds(const std::vector<std::string>& texts, const std::string& token) {
  return std::any_of(texts.begin(), texts.end(), [&](const std::string& text) {
    return text.find(token) != std::string::npos;
  });
}

std::string joined_texts(const std::vector<NewToken>& tokens) {
  std::string text;
  for (const NewToken& token : tokens) text += (text.empty() ? "" : " ") + token.text;
  return text;
}

}  // namespace

EmbeddingStack::EmbeddingStack(const std::vector<EmbeddingArgument>& arguments,
                               const SdxlBundle& bundle, const Log& log) {
  std::vector<at::Tensor> clip_l;
  std::vector<at::Tensor> clip_g;
  std::set<std::string> texts;
  int64_t count = 0;  // rows so far
  for (const EmbeddingArgument& argument : arguments) {
    const EmbeddingFile file = read_embedding_file(argument.path, log);
    check_width(argument.path, "clip_l", file.rows.clip_l, *bundle.text_encoder);
    check_width(argument.path, "clip_g", file.rows.clip_g, *bundle.text_encoder_2);
    clip_l.push_back(file.rows.clip_l);
    clip_g.push_back(file.rows.clip_g);
    std::vector<NewToken> tokens = tokens_of(argument, file);
    for (NewToken& token : tokens) {
      token.first += count;
      if (!texts.insert(token.text).second) {
        fail("--embedding ", argument.path, ": another file has the token '", token.text,
             "' too; FILE:token=TOK gives it another");
      }
    }
    log.info(concat(argument.path, ": ", file.rows.count(), " vectors, in prompts ",
                    joined_texts(tokens)));
    embeddings_.push_back({argument, sha256_of_file(argument.path), tokens});
    count += file.rows.count();
  }
  if (arguments.empty()) return;
  rows_ = {at::cat(clip_l).to(bundle.device), at::cat(clip_g).to(bundle.device)};
}

SdxlBundle EmbeddingStack::with_tokens(const SdxlBundle& bundle) const {
  SdxlBundle result = bundle;
  std::vector<NewToken> tokens;
  for (const LoadedEmbedding& one : embeddings_) {
    tokens.insert(tokens.end(), one.tokens.begin(), one.tokens.end());
  }
  if (!tokens.empty()) add_tokens(result, tokens);
  return result;
}

void EmbeddingStack::warn_of_unused(const std::vector<std::string>& texts, const Log& log) const {
  for (const LoadedEmbedding& one : embeddings_) {
    if (one.argument.bundled) continue;
    const bool used = std::any_of(one.tokens.begin(), one.tokens.end(), [&](const NewToken& token) {
      return any_holds(texts, token.text);
    });
    if (used) continue;
    log.warning(concat("--embedding ", one.argument.path, " has no effect: no prompt holds ",
                       joined_texts(one.tokens)));
  }
}

bool EmbeddingStack::knows(const std::string& token) const {
  return std::any_of(embeddings_.begin(), embeddings_.end(), [&](const LoadedEmbedding& one) {
    return std::any_of(one.tokens.begin(), one.tokens.end(),
                       [&](const NewToken& own) { return own.text == token; });
  });
}

void EmbeddingStack::warn_of_missing(const std::vector<std::string>& adapters,
                                     const std::vector<std::string>& texts, const Log& log) const {
  for (const std::string& adapter : adapters) {
    const std::string file = embedding_beside(adapter);
    if (file.empty()) continue;
    for (const NewToken& token : read_embedding_file(file, Log()).tokens()) {
      if (knows(token.text) || !any_holds(texts, token.text)) continue;
      log.warning(
          concat("prompts hold ", token.text, ", which means nothing without --embedding ", file));
      break;
    }
  }
}

}  // namespace dorabooth
