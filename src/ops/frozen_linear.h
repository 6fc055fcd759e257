// y = x·Wᵀ (+ b) for a weight that does not train: the gradient goes to x alone and nothing is
// saved.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "src/ops/frozen_weight.h"

namespace dorabooth {

// x [..., in] -> [..., out]; differentiable in x. `bias` [out] may be undefined. Its sum is
// FrozenWeight::affine's, which an adapted layer takes too: an adapter at zero gives the same bits.
at::Tensor frozen_linear(const at::Tensor& x, const std::shared_ptr<const FrozenWeight>& weight,
                         const at::Tensor& bias);

}  // namespace dorabooth
