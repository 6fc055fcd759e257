// One layer of CLIP's text transformer (transformers' CLIPEncoderLayer): causal self-attention and
// a feed-forward, each with its LayerNorm in front and a residual around.
#pragma once

#include "src/clip/clip_text_config.h"
#include "src/nn/linear.h"
#include "src/nn/norm.h"

namespace dorabooth {

class ClipTextLayer : public torch::nn::Module {
 public:
  ClipTextLayer(const ClipTextConfig& config, const at::TensorOptions& options);
  // x [batch, tokens, hidden_size] -> the same shape.
  at::Tensor forward(const at::Tensor& x) const;

 private:
  at::Tensor attention(const at::Tensor& x) const;
  at::Tensor feed_forward(const at::Tensor& x) const;

  int64_t heads_;
  bool quick_gelu_;
  std::shared_ptr<nn::LayerNorm> layer_norm1_;
  std::shared_ptr<nn::Linear> q_proj_;
  std::shared_ptr<nn::Linear> k_proj_;
  std::shared_ptr<nn::Linear> v_proj_;
  std::shared_ptr<nn::Linear> out_proj_;
  std::shared_ptr<nn::LayerNorm> layer_norm2_;
  std::shared_ptr<nn::Linear> fc1_;
  std::shared_ptr<nn::Linear> fc2_;
};

}  // namespace dorabooth
