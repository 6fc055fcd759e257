// Group norm over pixels [batch, pixels, channels] (a channels_last picture) on a CPU, with SiLU
// folded in. LibTorch's own kernel takes this layout through a slow backward pass: three times as
// long as this one in fp32, ten times in bf16.
#pragma once

#include <cstdint>

namespace dorabooth::nn {

struct GroupNormShape {
  int64_t batch = 0;
  int64_t pixels = 0;
  int64_t channels = 0;  // a multiple of kGroupNormLanes
  int64_t groups = 1;
  double eps = 1e-5;
  bool silu = false;  // y = SiLU(norm(x))
};
inline constexpr int64_t kGroupNormLanes = 16;

// Element is float or dorabooth::BFloat16 (bit patterns). weight and bias are fp32 [channels]; mean
// and inverse deviation are written to statistics [batch, groups, 2]. Sums are split by shape
// alone, so that the bits do not depend on the number of threads.
template <typename Element>
void group_norm_forward(const GroupNormShape& shape, const Element* x, const float* weight,
                        const float* bias, Element* y, float* statistics);

// What the backward pass writes: dx [batch, pixels, channels], and [channels] of a norm that trains
// (null: not computed).
template <typename Element>
struct GroupNormGradients {
  Element* x = nullptr;
  float* weight = nullptr;
  float* bias = nullptr;
};

// From x and the statistics of the forward pass.
template <typename Element>
void group_norm_backward(const GroupNormShape& shape, const Element* dy, const Element* x,
                         const float* weight, const float* bias, const float* statistics,
                         const GroupNormGradients<Element>& gradients);

}  // namespace dorabooth::nn
