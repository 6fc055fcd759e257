// How a request names a file of token embeddings: FILE[:token=TOK], or [NAME=]FILE[:token=TOK]
// where there are columns.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace dorabooth {

struct EmbeddingArgument {
  std::string column;  // the one that it is for; "": all of them
  std::string path;
  std::optional<std::string> token;  // what stands for the file in prompts
  bool bundled = false;              // the file is an adapter that brings it

  std::string text() const;  // FILE[:token=TOK]
};

EmbeddingArgument parse_embedding_argument(const std::string& text);
// What stands before '=' is part of the path if it holds a '/'.
EmbeddingArgument parse_column_embedding(const std::string& text);

// Those for every column or for `column`; UsageError for one that is for none of `columns`.
std::vector<EmbeddingArgument> embeddings_of_column(const std::vector<std::string>& texts,
                                                    const std::string& column,
                                                    const std::vector<std::string>& columns);

// The embeddings that a training run wrote beside an adapter's file, <name>_emb.safetensors; ""
// where there is none or more than one.
std::string embedding_beside(const std::string& adapter);

}  // namespace dorabooth
