// The gradient of DoRA's norm where it is not held constant (Liu et al. 2024, eq. 6).
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "kernels/adapter_core.h"
#include "src/ops/frozen_weight.h"

namespace dorabooth {

// The norms n of V = W + s·B·A, by rows [out] or by columns [in], and what they depend on.
struct NormOrigin {
  at::Tensor norm;
  MagnitudeAxis axis = MagnitudeAxis::kOutput;
  std::shared_ptr<const FrozenWeight> weight;
  double scale = 1.0;
};

// m, the same values, for a use as m/n with n a constant: its gradient reaches m and, since
// dn = −(m/n)·dm, also A [r, in] and B [out, r] through n. W is read in blocks of rows; no fp32
// copy of the whole is made. A norm of at most kSmallestNorm has no gradient.
at::Tensor magnitude_over_norm(const at::Tensor& m, const at::Tensor& a, const at::Tensor& b,
                               const NormOrigin& origin);

// Below it the square of a norm is lost in fp32.
inline constexpr double kSmallestNorm = 2e-15;

}  // namespace dorabooth
