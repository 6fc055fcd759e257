// The captions of a run as what the UNet is conditioned on: encoded once where the text encoders
// are frozen, tokenized once where they train. Internal to pipelines/train.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "pipelines/parts/text_cache.h"
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
  // products() keep. With `disk` the base's rows lie there instead of in memory.
  TrainingText(const SdxlBundle& bundle, const std::vector<std::string>& captions, bool cached,
               size_t product_bytes, const Log& log, int64_t clip_skip = 0,
               std::optional<TextCache> disk = std::nullopt);

  // From the frozen encoders, a row a caption: the base's, or as `adapter`, whose text is kept, has
  // changed them. That one is attached.
  PromptEmbeds cached(const std::vector<std::string>& captions,
                      const std::string& adapter = "") const;
  // What the UNet's frozen layers make of those rows, kept from step to step; null where a caption
  // is not one of those that come again.
  std::shared_ptr<nn::ContextCache> products(const std::vector<std::string>& captions,
                                             const std::string& adapter = "") const;
  // Encodes the captions with what is attached now, which is `adapter`'s and stays as it is.
  void keep(const std::string& adapter);
  bool keeps(const std::string& adapter) const { return kept_.contains(adapter); }
  // Through the encoders with what is attached to them now; differentiable.
  PromptEmbeds live(const std::vector<std::string>& captions) const;

 private:
  bool all_known(const std::vector<std::string>& captions) const;
  std::vector<int64_t> rows_of(const std::vector<std::string>& captions) const;
  PromptTokens tokens_of(const std::vector<std::string>& captions) const;
  PromptTokens tokens_of_row(int64_t row) const;
  void fill_disk();
  PromptEmbeds from_disk(const std::vector<int64_t>& rows) const;

  const SdxlBundle& bundle_;
  int64_t clip_skip_;
  std::map<std::string, int64_t> rows_;
  PromptTokens tokens_;  // a row a caption, one window
  size_t product_bytes_;
  std::optional<TextCache> disk_;
  struct Kept {
    PromptEmbeds embeds;  // a row a caption; undefined where they are on the disk
    std::shared_ptr<nn::PromptProducts> products;
  };
  std::map<std::string, Kept> kept_;  // by adapter, the base under ""
};

}  // namespace dorabooth
