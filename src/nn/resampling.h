// diffusers' Downsample2D and Upsample2D, with their convolutions ("conv").
#pragma once

#include "src/nn/conv2d.h"

namespace dorabooth::nn {

// Halves height and width by a 3x3 convolution of stride 2.
class Downsample : public torch::nn::Module {
 public:
  // `symmetric`: padding 1 on every side (the UNet); otherwise one row below and one column to the
  // right (the VAE).
  Downsample(int64_t channels, bool symmetric, const at::TensorOptions& options);
  at::Tensor forward(const at::Tensor& x) const;

 private:
  bool symmetric_;
  std::shared_ptr<Conv2d> conv_;
};

// Nearest neighbours up to a given size, then a 3x3 convolution.
class Upsample : public torch::nn::Module {
 public:
  Upsample(int64_t channels, const at::TensorOptions& options);
  // x [batch, channels, h, w] -> [batch, channels, height, width].
  at::Tensor forward(const at::Tensor& x, int64_t height, int64_t width) const;

 private:
  std::shared_ptr<Conv2d> conv_;
};

}  // namespace dorabooth::nn
