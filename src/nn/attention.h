// Scaled dot-product attention (Vaswani et al. 2017) over several heads, and diffusers' Attention
// module around it: to_q, to_k, to_v, to_out.0.
#pragma once

#include "src/nn/context_cache.h"

namespace dorabooth::nn {

// q [batch, tokens, heads*size], k and v [batch, context, heads*size] -> like q. `causal`: token i
// sees tokens 0 .. i only.
at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int64_t heads,
                  bool causal);

class Attention : public torch::nn::Module {
 public:
  struct Shape {
    int64_t channels = 0;          // of x and of the output
    int64_t context_channels = 0;  // of what keys and values are made from
    int64_t heads = 1;             // their total width is `channels`
    bool input_bias = false;       // bias of to_q, to_k, to_v; to_out.0 always has one
  };
  Attention(const Shape& shape, const at::TensorOptions& options);

  // Self-attention of x [batch, tokens, channels].
  at::Tensor forward(const at::Tensor& x) const;
  // Cross-attention of x to context [batch, context tokens, context_channels].
  // `cache`, if given, projects the context.
  at::Tensor forward(const at::Tensor& x, const at::Tensor& context,
                     ContextCache* cache = nullptr) const;

 private:
  int64_t heads_;
  std::shared_ptr<Linear> to_q_;
  std::shared_ptr<Linear> to_k_;
  std::shared_ptr<Linear> to_v_;
  std::shared_ptr<Linear> to_out_;
};

}  // namespace dorabooth::nn
