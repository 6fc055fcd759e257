// The token is cut off first: it may hold any character.
#include "pipelines/embedding_argument.h"

#include <algorithm>
#include <filesystem>

#include "src/base/error.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {
const std::string kToken = ":token=";
}  // namespace

std::string EmbeddingArgument::text() const { return token ? path + kToken + *token : path; }

EmbeddingArgument parse_embedding_argument(const std::string& text) {
  EmbeddingArgument argument;
  const size_t token = text.find(kToken);
  argument.path = text.substr(0, token);
  if (token != std::string::npos) argument.token = text.substr(token + kToken.size());
  if (argument.path.empty() || (argument.token && argument.token->empty())) {
    throw UsageError(concat("an embedding is FILE or FILE:token=TOK, got '", text, "'"));
  }
  return argument;
}

EmbeddingArgument parse_column_embedding(const std::string& text) {
  EmbeddingArgument argument = parse_embedding_argument(text);
  const size_t equals = argument.path.find('=');
  if (equals == std::string::npos || argument.path.substr(0, equals).find('/') != std::string::npos)
    return argument;
  argument.column = argument.path.substr(0, equals);
  argument.path.erase(0, equals + 1);
  if (argument.column.empty() || argument.path.empty()) {
    throw UsageError(concat("an embedding is FILE or NAME=FILE, got '", text, "'"));
  }
  return argument;
}

std::vector<EmbeddingArgument> embeddings_of_column(const std::vector<std::string>& texts,
                                                    const std::string& column,
                                                    const std::vector<std::string>& columns) {
  std::vector<EmbeddingArgument> result;
  for (const std::string& text : texts) {
    EmbeddingArgument argument = parse_column_embedding(text);
    const bool known = std::find(columns.begin(), columns.end(), argument.column) != columns.end();
    if (!argument.column.empty() && !known) {
      throw UsageError(concat("--embedding ", text, ": no column is called '", argument.column, "'",
                              did_you_mean(argument.column, columns)));
    }
    if (argument.column.empty() || argument.column == column) result.push_back(argument);
  }
  return result;
}

std::string embedding_beside(const std::string& adapter) {
  const fs::path path = adapter;
  std::error_code ignored;
  const fs::path folder = fs::is_directory(path, ignored) ? path : path.parent_path();
  std::vector<std::string> found;
  for (const auto& entry : fs::directory_iterator(folder.empty() ? "." : folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with("_emb.safetensors")) found.push_back((folder / name).string());
  }
  return found.size() == 1 ? found[0] : "";
}

}  // namespace dorabooth
