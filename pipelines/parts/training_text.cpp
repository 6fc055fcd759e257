// Captions are encoded once while the text encoders are frozen, tokenized once while they train.
#include "pipelines/parts/training_text.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace dorabooth {

namespace {

// One at a time: bounds the memory, and a caption's bits do not depend on the others'.
PromptEmbeds encode_all(const SdxlBundle& bundle, const PromptTokens& tokens, int64_t clip_skip) {
  at::NoGradGuard no_grad;
  std::vector<at::Tensor> prompt_embeds;
  std::vector<at::Tensor> pooled;
  for (int64_t row = 0; row < tokens.ids.size(0); ++row) {
    const PromptEmbeds one = encode_tokens(
        bundle,
        {tokens.ids.slice(0, row, row + 1), tokens.ids_2.slice(0, row, row + 1), tokens.windows},
        clip_skip);
    prompt_embeds.push_back(one.prompt_embeds);
    pooled.push_back(one.pooled);
  }
  return {at::cat(prompt_embeds), at::cat(pooled)};
}

}  // namespace

TrainingText::TrainingText(const SdxlBundle& bundle, const std::vector<std::string>& captions,
                           bool cached, size_t product_bytes, const Log& log, int64_t clip_skip,
                           std::optional<TextCache> disk)
    : bundle_(bundle),
      clip_skip_(clip_skip),
      tokens_(tokenize_prompts(bundle, captions, LongPrompts::kCut, log)),
      product_bytes_(product_bytes),
      disk_(std::move(disk)) {
  for (size_t i = 0; i < captions.size(); ++i) rows_[captions[i]] = static_cast<int64_t>(i);
  if (cached) keep("");
}

PromptTokens TrainingText::tokens_of_row(int64_t row) const {
  return {tokens_.ids.slice(0, row, row + 1), tokens_.ids_2.slice(0, row, row + 1),
          tokens_.windows};
}

void TrainingText::fill_disk() {
  for (int64_t row = 0; row < tokens_.ids.size(0); ++row) {
    const std::filesystem::path file = disk_->file_of(tokens_of_row(row), clip_skip_);
    if (!disk_->read(file)) disk_->write(file, encode_all(bundle_, tokens_of_row(row), clip_skip_));
  }
}

PromptEmbeds TrainingText::from_disk(const std::vector<int64_t>& rows) const {
  std::vector<at::Tensor> prompt_embeds;
  std::vector<at::Tensor> pooled;
  for (const int64_t row : rows) {
    const std::filesystem::path file = disk_->file_of(tokens_of_row(row), clip_skip_);
    std::optional<PromptEmbeds> one = disk_->read(file);
    if (!one) one = encode_all(bundle_, tokens_of_row(row), clip_skip_);  // removed meanwhile
    prompt_embeds.push_back(one->prompt_embeds.to(bundle_.device));
    pooled.push_back(one->pooled.to(bundle_.device));
  }
  return {at::cat(prompt_embeds), at::cat(pooled)};
}

void TrainingText::keep(const std::string& adapter) {
  if (disk_ && adapter.empty()) {
    fill_disk();
    kept_[adapter] = {{}, std::make_shared<nn::PromptProducts>(product_bytes_)};
    return;
  }
  kept_[adapter] = {encode_all(bundle_, tokens_, clip_skip_),
                    std::make_shared<nn::PromptProducts>(product_bytes_)};
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

PromptEmbeds TrainingText::cached(const std::vector<std::string>& captions,
                                  const std::string& adapter) const {
  if (!all_known(captions)) return encode_all(bundle_, tokens_of(captions), clip_skip_);
  const at::Tensor rows = at::tensor(rows_of(captions)).to(bundle_.device);
  const PromptEmbeds& embeds = kept_.at(adapter).embeds;
  if (!embeds.pooled.defined()) return from_disk(rows_of(captions));
  return {embeds.prompt_embeds.index_select(0, rows), embeds.pooled.index_select(0, rows)};
}

std::shared_ptr<nn::ContextCache> TrainingText::products(const std::vector<std::string>& captions,
                                                         const std::string& adapter) const {
  if (!all_known(captions)) return nullptr;
  return std::make_shared<nn::BatchProducts>(kept_.at(adapter).products, rows_of(captions));
}

PromptEmbeds TrainingText::live(const std::vector<std::string>& captions) const {
  return encode_tokens(bundle_, tokens_of(captions), clip_skip_);
}

}  // namespace dorabooth
