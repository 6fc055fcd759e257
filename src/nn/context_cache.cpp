// Products are constants: they are made without a graph, and nothing writes into them.
#include "src/nn/context_cache.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "src/base/error.h"

namespace dorabooth::nn {

std::vector<at::Tensor> OutputCache::project(const at::Tensor& context,
                                             const std::vector<Linear*>& layers) {
  if (at::GradMode::is_enabled()) return nn::project(context, layers);
  if (!context_.is_same(context)) {
    context_ = context;
    outputs_.clear();
    bytes_ = 0;
  }
  std::vector<at::Tensor> outputs;
  outputs.reserve(layers.size());
  for (Linear* layer : layers) {
    const auto found = outputs_.find(layer);
    outputs.push_back(found == outputs_.end() ? layer->forward(context) : found->second);
    const size_t bytes = outputs.back().nbytes();
    if (found != outputs_.end() || bytes_ + bytes > most_bytes_) continue;
    bytes_ += bytes;
    outputs_[layer] = outputs.back();
  }
  return outputs;
}

at::Tensor PromptProducts::get(int64_t prompt, const Linear& layer, const at::Tensor& x) {
  if (const auto known = by_number_.find(prompt); known != by_number_.end()) {
    prompts_.splice(prompts_.begin(), prompts_, known->second);
    const auto found = prompts_.front().products.find(&layer);
    if (found != prompts_.front().products.end()) return found->second;
  }
  at::Tensor product = layer.weight()->matmul(x);
  const size_t bytes = product.nbytes();
  if (most_bytes_ == 0) return product;
  Prompt& kept = most_recent(prompt);
  if (!make_room(bytes)) return product;
  kept.products.emplace(&layer, product);
  kept.bytes += bytes;
  bytes_ += bytes;
  return product;
}

PromptProducts::Prompt& PromptProducts::most_recent(int64_t number) {
  if (!by_number_.contains(number)) {
    prompts_.push_front({number, 0, {}});
    by_number_[number] = prompts_.begin();
  }
  return prompts_.front();
}

// False where the prompt in front would not fit even alone.
bool PromptProducts::make_room(size_t bytes) {
  while (bytes_ + bytes > most_bytes_ && prompts_.size() > 1) {
    bytes_ -= prompts_.back().bytes;
    by_number_.erase(prompts_.back().number);
    prompts_.pop_back();
  }
  return bytes_ + bytes <= most_bytes_;
}

std::vector<at::Tensor> BatchProducts::project(const at::Tensor& context,
                                               const std::vector<Linear*>& layers) {
  if (context.size(0) != static_cast<int64_t>(prompts_.size())) {
    fail("context: want a row a prompt, ", prompts_.size(), ", got ",
         shape_text(context.sizes().vec()));
  }
  const bool constant =
      !context.requires_grad() && std::all_of(layers.begin(), layers.end(),
                                              [](Linear* layer) { return layer->takes_product(); });
  if (!constant) return nn::project(context, layers);
  std::vector<at::Tensor> products;
  for (Linear* layer : layers) products.push_back(product(context, *layer));
  return nn::project(context, layers, products);
}

at::Tensor BatchProducts::product(const at::Tensor& context, const Linear& layer) const {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> rows;
  for (size_t i = 0; i < prompts_.size(); ++i) {
    rows.push_back(products_->get(prompts_[i], layer, context.select(0, static_cast<int64_t>(i))));
  }
  return rows.size() == 1 ? rows[0].unsqueeze(0) : at::stack(rows);
}

}  // namespace dorabooth::nn
