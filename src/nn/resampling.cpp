// LibTorch's padding and nearest-neighbour kernels keep channels_last.
#include "src/nn/resampling.h"

#include <ATen/ATen.h>

namespace dorabooth::nn {

Downsample::Downsample(int64_t channels, bool symmetric, const at::TensorOptions& options)
    : symmetric_(symmetric) {
  const Window window{.size = 3, .stride = 2, .padding = symmetric ? 1 : 0};
  conv_ = register_module("conv", std::make_shared<Conv2d>(channels, channels, window, options));
}

at::Tensor Downsample::forward(const at::Tensor& x) const {
  return conv_->forward(symmetric_ ? x : at::constant_pad_nd(x, {0, 1, 0, 1}));
}

Upsample::Upsample(int64_t channels, const at::TensorOptions& options) {
  conv_ = register_module("conv", std::make_shared<Conv2d>(channels, channels, Window{}, options));
}

at::Tensor Upsample::forward(const at::Tensor& x, int64_t height, int64_t width) const {
  return conv_->forward(at::upsample_nearest2d(x, {height, width}));
}

}  // namespace dorabooth::nn
