// SentencePiece (Kudo and Richardson 2018) over a folder with spiece.model and
// tokenizer_config.json: [bos] pieces [eos], padded to model_max_length.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "src/tokenizers/tokenizer.h"

namespace dorabooth {

inline constexpr const char* kSpaceMark = "\xE2\x96\x81";  // U+2581, SentencePiece's visible space

class SentencePieceTokenizer final : public Tokenizer {
 public:
  explicit SentencePieceTokenizer(const std::filesystem::path& folder);
  ~SentencePieceTokenizer() override;

  std::vector<int64_t> encode(const std::string& utf8) const override;
  std::string decode(const std::vector<int64_t>& ids) const override;
  int64_t vocab_size() const override;

 private:
  struct Model;
  explicit SentencePieceTokenizer(std::unique_ptr<Model> model);

  std::unique_ptr<Model> model_;
};

}  // namespace dorabooth
