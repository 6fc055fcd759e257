// A 2-D convolution with zero padding (torch.nn.Conv2d: y = W * x + b), frozen unless its weight is
// told to want a gradient.
#pragma once

#include "src/nn/layer.h"

namespace dorabooth::nn {

// A square window of `size`, moved by `stride` over an input padded by `padding` on every side.
struct Window {
  int64_t size = 3;
  int64_t stride = 1;
  int64_t padding = 1;
};

class Conv2d : public Layer {
 public:
  Conv2d(int64_t in_channels, int64_t out_channels, Window window,
         const at::TensorOptions& options);

  // x [batch, in, h, w]. Any memory format; on a CPU the result is channels_last.
  at::Tensor forward(const at::Tensor& x) const;

  const at::Tensor& weight() const { return weight_; }

 protected:
  void on_assigned() override;

 private:
  Window window_;
  at::Tensor weight_;
  at::Tensor bias_;
};

}  // namespace dorabooth::nn
