// Encoded prompts, kept while nothing changes the text encoders: one encoding serves all seeds, and
// all columns whose adapters leave the text encoders alone.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "pipelines/parts/generation.h"

namespace dorabooth {

class PromptCache {
 public:
  // `bundle` and `plan` outlive it. A message about a prompt is passed on once.
  PromptCache(const SdxlBundle& bundle, const GenerationPlan& plan, const Log& log);

  // `encoders` numbers the state of text encoders and tokenizers, 0 for the base's own; the
  // adapters and embeddings of that state are attached, and `bundle` has its tokenizers (null: the
  // base's).
  const Conditioning& get(const std::string& prompt, size_t encoders = 0,
                          const SdxlBundle* bundle = nullptr);

 private:
  const SdxlBundle& bundle_;
  const GenerationPlan& plan_;
  Log log_;
  std::shared_ptr<std::set<std::string>> said_ = std::make_shared<std::set<std::string>>();
  std::map<std::pair<size_t, std::string>, Conditioning> encoded_;
};

}  // namespace dorabooth
