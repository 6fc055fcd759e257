// Sums go into the convolution's fresh output in place: no convolution keeps its output for the
// backward pass.
#include "src/nn/resnet.h"

#include <ATen/ATen.h>

#include "src/nn/checkpointing.h"

namespace dorabooth::nn {

Resnet::Resnet(const ResnetShape& shape, const at::TensorOptions& options) {
  const auto norm = [&](int64_t channels) {
    return std::make_shared<GroupNorm>(shape.norm_groups, channels, shape.norm_eps, options);
  };
  const auto convolution = [&](int64_t in_channels, Window window) {
    return std::make_shared<Conv2d>(in_channels, shape.out_channels, window, options);
  };
  const Window wide{.size = 3, .stride = 1, .padding = 1};
  norm1_ = register_module("norm1", norm(shape.in_channels));
  conv1_ = register_module("conv1", convolution(shape.in_channels, wide));
  if (shape.embedding_features > 0) {
    time_emb_proj_ = register_module(
        "time_emb_proj", std::make_shared<Linear>(shape.embedding_features, shape.out_channels,
                                                  /*bias=*/true, options));
  }
  norm2_ = register_module("norm2", norm(shape.out_channels));
  conv2_ = register_module("conv2", convolution(shape.out_channels, wide));
  if (shape.in_channels != shape.out_channels) {
    conv_shortcut_ = register_module("conv_shortcut", convolution(shape.in_channels, {1, 1, 0}));
  }
}

at::Tensor Resnet::forward(const at::Tensor& x, const at::Tensor& silu_embedding) const {
  at::Tensor h = conv1_->forward(norm1_->forward_silu(x));
  if (time_emb_proj_) {
    h.add_(time_emb_proj_->forward(silu_embedding).unsqueeze(2).unsqueeze(3));
  }
  h = conv2_->forward(norm2_->forward_silu(h));
  return h.add_(conv_shortcut_ ? conv_shortcut_->forward(x) : x);
}

at::Tensor Resnet::forward_checkpointed(const at::Tensor& x, const at::Tensor& silu_embedding) {
  return checkpoint(
      [this](const std::vector<at::Tensor>& inputs) { return forward(inputs[0], inputs[1]); },
      {x, silu_embedding}, trainable_tensors(*this));
}

}  // namespace dorabooth::nn
