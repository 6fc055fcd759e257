// diffusers' FeedForward with GEGLU (Shazeer 2020): net.2(value * GELU(gate)), [value, gate] =
// net.0.proj(x), with four times the width inside.
#pragma once

#include "src/nn/linear.h"

namespace dorabooth::nn {

// projected [..., 2n] = [value, gate] -> value * GELU(gate) [..., n], with the exact GELU.
at::Tensor geglu(const at::Tensor& projected);

class FeedForward : public torch::nn::Module {
 public:
  FeedForward(int64_t channels, const at::TensorOptions& options);
  // x [..., channels] -> the same shape.
  at::Tensor forward(const at::Tensor& x) const;

 private:
  std::shared_ptr<Linear> proj_;
  std::shared_ptr<Linear> out_;
};

}  // namespace dorabooth::nn
