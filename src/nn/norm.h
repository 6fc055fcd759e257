// GroupNorm (Wu & He 2018) over the channels of a picture and LayerNorm (Ba et al. 2016) over the
// last axis, both with weight and bias.
#pragma once

#include "src/nn/layer.h"

namespace dorabooth::nn {

class GroupNorm : public Layer {
 public:
  GroupNorm(int64_t groups, int64_t channels, double eps, const at::TensorOptions& options);
  // x [batch, channels, ...]; keeps a channels_last input in that format on a CPU.
  at::Tensor forward(const at::Tensor& x) const { return apply(x, /*silu=*/false); }
  // SiLU(forward(x)) in one pass, keeping x alone for the backward pass where the layout allows it.
  at::Tensor forward_silu(const at::Tensor& x) const { return apply(x, /*silu=*/true); }

 private:
  at::Tensor apply(const at::Tensor& x, bool silu) const;

  int64_t groups_;
  double eps_;
};

class LayerNorm : public Layer {
 public:
  LayerNorm(int64_t features, double eps, const at::TensorOptions& options);
  // x [..., features].
  at::Tensor forward(const at::Tensor& x) const;

 private:
  int64_t features_;
  double eps_;
};

}  // namespace dorabooth::nn
