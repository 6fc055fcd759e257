// diffusers' ResnetBlock2D: norm1, SiLU, conv1, + time_emb_proj(SiLU(emb)), norm2, SiLU, conv2,
// + shortcut (a 1x1 convolution where the channel count changes).
#pragma once

#include "src/nn/conv2d.h"
#include "src/nn/linear.h"
#include "src/nn/norm.h"

namespace dorabooth::nn {

struct ResnetShape {
  int64_t in_channels = 0;
  int64_t out_channels = 0;
  int64_t embedding_features = 0;  // 0: no time embedding (the VAE)
  int64_t norm_groups = 32;
  double norm_eps = 1e-5;
};

class Resnet : public torch::nn::Module {
 public:
  Resnet(const ResnetShape& shape, const at::TensorOptions& options);

  // x [batch, in, h, w] -> [batch, out, h, w]. `silu_embedding` [batch, embedding_features] is
  // SiLU(emb), which all blocks of a model share; undefined where there is no time embedding.
  at::Tensor forward(const at::Tensor& x, const at::Tensor& silu_embedding) const;
  // The same, recomputed in the backward pass instead of keeping its activations.
  at::Tensor forward_checkpointed(const at::Tensor& x, const at::Tensor& silu_embedding);

 private:
  std::shared_ptr<GroupNorm> norm1_;
  std::shared_ptr<Conv2d> conv1_;
  std::shared_ptr<Linear> time_emb_proj_;
  std::shared_ptr<GroupNorm> norm2_;
  std::shared_ptr<Conv2d> conv2_;
  std::shared_ptr<Conv2d> conv_shortcut_;
};

}  // namespace dorabooth::nn
