// Encoded captions on the disk, named by a hash of all that they depend on: token ids, the text
// encoders' weights and how they compute. Internal to pipelines/train.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "src/model/prompt_encoding.h"

namespace dorabooth {

class TextCache {
 public:
  // `encoders` stands for the text encoders: any text that differs when their outputs may.
  TextCache(std::filesystem::path folder, std::string encoders)
      : folder_(std::move(folder)), encoders_(std::move(encoders)) {}

  // Where the embeddings of one caption's tokens (a row, with the layer that clip_skip chooses)
  // are.
  std::filesystem::path file_of(const PromptTokens& tokens, int64_t clip_skip) const;
  // Nothing if the file is not there or not whole.
  std::optional<PromptEmbeds> read(const std::filesystem::path& file) const;
  // Whole or not at all.
  void write(const std::filesystem::path& file, const PromptEmbeds& embeds) const;

 private:
  std::filesystem::path folder_;
  std::string encoders_;
};

}  // namespace dorabooth
