// What cross-attention keeps of its context from call to call.
#pragma once

#include <list>
#include <memory>
#include <unordered_map>
#include <vector>

#include "src/nn/linear.h"

namespace dorabooth::nn {

// Projects a context, remembering what it can. Used for the whole of one forward pass and, where it
// is recomputed, its backward pass.
class ContextCache {
 public:
  virtual ~ContextCache() = default;
  // The outputs of `layers` for context [batch, tokens, channels].
  virtual std::vector<at::Tensor> project(const at::Tensor& context,
                                          const std::vector<Linear*>& layers) = 0;
  // Whether what it gives is right where adapters train.
  virtual bool serves_training() const = 0;
};

// Keys and values of a context that stays the same from call to call, as a prompt's does through
// the denoising of a picture: made once, used again. For calls without gradients, while neither the
// layers nor their adapters change. Another tensor than before empties it.
class OutputCache : public ContextCache {
 public:
  // Outputs are not kept where the whole would grow beyond `most_bytes`.
  explicit OutputCache(size_t most_bytes = size_t{256} << 20) : most_bytes_(most_bytes) {}
  std::vector<at::Tensor> project(const at::Tensor& context,
                                  const std::vector<Linear*>& layers) override;
  bool serves_training() const override { return false; }
  size_t bytes() const { return bytes_; }

 private:
  size_t most_bytes_;
  at::Tensor context_;
  std::unordered_map<const Linear*, at::Tensor> outputs_;
  size_t bytes_ = 0;
};

// W·x of frozen layers for prompts that come back through a training run, within a budget: the
// prompt that was not asked for the longest goes first. What adapters add is not in it, so that all
// adapters of a run share it. A prompt is a number that stands for the same context all along.
class PromptProducts {
 public:
  explicit PromptProducts(size_t most_bytes) : most_bytes_(most_bytes) {}

  // layer.weight()·x for context x [tokens, channels] of `prompt`.
  at::Tensor get(int64_t prompt, const Linear& layer, const at::Tensor& x);
  size_t bytes() const { return bytes_; }
  size_t prompts() const { return prompts_.size(); }

 private:
  struct Prompt {
    int64_t number = 0;
    size_t bytes = 0;
    std::unordered_map<const Linear*, at::Tensor> products;
  };
  Prompt& most_recent(int64_t number);
  bool make_room(size_t bytes);

  size_t most_bytes_;
  size_t bytes_ = 0;
  std::list<Prompt> prompts_;  // the most recent one in front
  std::unordered_map<int64_t, std::list<Prompt>::iterator> by_number_;
};

// The prompts of a batch, one a row. Products are made row by row whether they are kept or not:
// bits depend neither on the budget nor on what else is in the batch.
class BatchProducts : public ContextCache {
 public:
  BatchProducts(std::shared_ptr<PromptProducts> products, std::vector<int64_t> prompts)
      : products_(std::move(products)), prompts_(std::move(prompts)) {}
  std::vector<at::Tensor> project(const at::Tensor& context,
                                  const std::vector<Linear*>& layers) override;
  bool serves_training() const override { return true; }

 private:
  at::Tensor product(const at::Tensor& context, const Linear& layer) const;

  std::shared_ptr<PromptProducts> products_;
  std::vector<int64_t> prompts_;
};

}  // namespace dorabooth::nn
