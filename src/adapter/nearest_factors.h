// The low-rank factors nearest to a matrix.
#pragma once

#include <ATen/core/Tensor.h>

namespace dorabooth {

struct NearestFactors {
  at::Tensor a;           // [rank, in] fp32
  at::Tensor b;           // [out, rank] fp32
  double residual = 0.0;  // ‖D − BA‖ (Frobenius)
  double norm = 0.0;      // ‖D‖
};

// The truncated SVD of `difference` [out, in], shared equally: B = U·sqrt(S), A = sqrt(S)·Vᵀ. The
// rank is at most the smaller side. fp64 inside.
NearestFactors nearest_factors(const at::Tensor& difference, int64_t rank);

}  // namespace dorabooth
