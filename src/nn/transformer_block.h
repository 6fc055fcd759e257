// diffusers' BasicTransformerBlock (self-attention, cross-attention, feed-forward, each with a
// LayerNorm in front and a residual around) and Transformer2DModel, a stack of them over a picture.
#pragma once

#include <vector>

#include "src/nn/attention.h"
#include "src/nn/feed_forward.h"
#include "src/nn/norm.h"
#include "src/nn/probe.h"

namespace dorabooth::nn {

struct TransformerShape {
  int64_t channels = 0;
  int64_t context_channels = 0;
  int64_t heads = 1;
  int64_t blocks = 1;
  int64_t norm_groups = 32;
};

class TransformerBlock : public torch::nn::Module {
 public:
  TransformerBlock(const TransformerShape& shape, const at::TensorOptions& options);
  // x [batch, tokens, channels], context [batch, context tokens, context_channels] -> like x.
  at::Tensor forward(const at::Tensor& x, const at::Tensor& context, const Probe& probe,
                     ContextCache* cache = nullptr) const;

 private:
  std::shared_ptr<LayerNorm> norm1_;
  std::shared_ptr<Attention> attn1_;
  std::shared_ptr<LayerNorm> norm2_;
  std::shared_ptr<Attention> attn2_;
  std::shared_ptr<LayerNorm> norm3_;
  std::shared_ptr<FeedForward> ff_;
};

class Transformer2d : public torch::nn::Module {
 public:
  Transformer2d(const TransformerShape& shape, const at::TensorOptions& options);
  // x [batch, channels, h, w] -> the same shape. With `checkpointing` each block is recomputed in
  // the backward pass instead of keeping its activations.
  at::Tensor forward(const at::Tensor& x, const at::Tensor& context, bool checkpointing,
                     const Probe& probe, const std::shared_ptr<ContextCache>& cache = nullptr);

 private:
  std::shared_ptr<GroupNorm> norm_;
  std::shared_ptr<Linear> proj_in_;
  std::vector<std::shared_ptr<TransformerBlock>> blocks_;
  std::shared_ptr<Linear> proj_out_;
};

}  // namespace dorabooth::nn
