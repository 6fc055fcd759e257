// Captions are encoded once while the text encoders are frozen, tokenized once while they train.
#include "pipelines/parts/training_text.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace dorabooth {

namespace {

// Captions encoded at a time: bounds the memory whatever the number of pictures.
constexpr int64_t kCaptionsAtATime = 16;

PromptEmbeds encode_all(const SdxlBundle& bundle, const PromptTokens& tokens) {
  at::NoGradGuard no_grad;
  std::vector<at::Tensor> prompt_embeds;
  std::vector<at::Tensor> pooled;
  for (int64_t first = 0; first < tokens.ids.size(0); first += kCaptionsAtATime) {
    const int64_t last = std::min(first + kCaptionsAtATime, tokens.ids.size(0));
    const PromptEmbeds some = encode_tokens(
        bundle,
        {tokens.ids.slice(0, first, last), tokens.ids_2.slice(0, first, last), tokens.windows});
    prompt_embeds.push_back(some.prompt_embeds);
    pooled.push_back(some.pooled);
  }
  return {at::cat(prompt_embeds), at::cat(pooled)};
}

}  // namespace

TrainingText::TrainingText(const SdxlBundle& bundle, const std::vector<std::string>& captions,
                           bool cached, size_t product_bytes, const Log& log)
    : bundle_(bundle),
      tokens_(tokenize_prompts(bundle, captions, LongPrompts::kCut, log)),
      products_(std::make_shared<nn::PromptProducts>(product_bytes)) {
  for (size_t i = 0; i < captions.size(); ++i) rows_[captions[i]] = static_cast<int64_t>(i);
  if (cached) embeds_ = encode_all(bundle, tokens_);
}

bool TrainingText::all_known(const std::vector<std::string>& captions) const {
  return std::all_of(captions.begin(), captions.end(),
                     [&](const std::string& caption) { return rows_.contains(caption); });
}

std::vector<int64_t> TrainingText::rows_of(const std::vector<std::string>& captions) const {
  std::vector<int64_t> rows;
  for (const std::string& caption : captions) rows.push_back(rows_.at(caption));
  return rows;
}

PromptTokens TrainingText::tokens_of(const std::vector<std::string>& captions) const {
  // A shuffled caption is as long as its picture's own, of which a cut was told.
  if (!all_known(captions)) return tokenize_prompts(bundle_, captions, LongPrompts::kCut, Log());
  const at::Tensor rows = at::tensor(rows_of(captions)).to(tokens_.ids.device());
  return {tokens_.ids.index_select(0, rows), tokens_.ids_2.index_select(0, rows), tokens_.windows};
}

PromptEmbeds TrainingText::cached(const std::vector<std::string>& captions) const {
  if (!all_known(captions)) return encode_all(bundle_, tokens_of(captions));
  const at::Tensor rows = at::tensor(rows_of(captions)).to(bundle_.device);
  return {embeds_.prompt_embeds.index_select(0, rows), embeds_.pooled.index_select(0, rows)};
}

std::shared_ptr<nn::ContextCache> TrainingText::products(
    const std::vector<std::string>& captions) const {
  if (!all_known(captions)) return nullptr;
  return std::make_shared<nn::BatchProducts>(products_, rows_of(captions));
}

PromptEmbeds TrainingText::live(const std::vector<std::string>& captions) const {
  return encode_tokens(bundle_, tokens_of(captions));
}

}  // namespace dorabooth
