// The captions of a run as what the UNet is conditioned on: encoded once where the text encoders
// are frozen, tokenized once where they train. Internal to pipelines/train.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "src/base/log.h"
#include "src/model/bundle.h"
#include "src/model/prompt_encoding.h"
#include "src/nn/context_cache.h"

namespace dorabooth {

class TrainingText {
 public:
  // `captions`: those that occur again and again, each once; others are encoded when they come. One
  // that is too long is cut, with a warning for those.
  // `bundle` outlives it. Without `cached` only live() can be asked. `product_bytes` bounds what
  // products() keep.
  TrainingText(const SdxlBundle& bundle, const std::vector<std::string>& captions, bool cached,
               size_t product_bytes, const Log& log);

  // From the frozen encoders, a row a caption.
  PromptEmbeds cached(const std::vector<std::string>& captions) const;
  // What the UNet's frozen layers make of those rows, kept from step to step; null where a caption
  // is not one of those that come again.
  std::shared_ptr<nn::ContextCache> products(const std::vector<std::string>& captions) const;
  // Through the encoders with what is attached to them now; differentiable.
  PromptEmbeds live(const std::vector<std::string>& captions) const;

 private:
  bool all_known(const std::vector<std::string>& captions) const;
  std::vector<int64_t> rows_of(const std::vector<std::string>& captions) const;
  PromptTokens tokens_of(const std::vector<std::string>& captions) const;

  const SdxlBundle& bundle_;
  std::map<std::string, int64_t> rows_;
  PromptTokens tokens_;  // a row a caption, one window
  PromptEmbeds embeds_;  // the same; undefined without `cached`
  std::shared_ptr<nn::PromptProducts> products_;
};

}  // namespace dorabooth
