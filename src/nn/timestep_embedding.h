// The sinusoid of a scalar (Vaswani et al. 2017) and the two linear layers after it
// (diffusers' Timesteps with flip_sin_to_cos and freq_shift 0, and TimestepEmbedding).
#pragma once

#include "src/nn/linear.h"

namespace dorabooth::nn {

// values [n] of any dtype -> fp32 [n, features]: [cos(t f_i), sin(t f_i)],
// f_i = exp(-ln(10000) i / half), i = 0 .. half-1.
at::Tensor sinusoid(const at::Tensor& values, int64_t features);

// linear_2(SiLU(linear_1(x))).
class TimestepEmbedding : public torch::nn::Module {
 public:
  TimestepEmbedding(int64_t in_features, int64_t out_features, const at::TensorOptions& options);
  // x [batch, in] -> [batch, out].
  at::Tensor forward(const at::Tensor& x) const;

 private:
  std::shared_ptr<Linear> linear_1_;
  std::shared_ptr<Linear> linear_2_;
};

}  // namespace dorabooth::nn
