// By the eigenvectors of the smaller of DDᵀ and DᵀD, a third of a whole SVD's work. Squaring costs
// half the digits of the smallest singular values, which are not among the largest `rank`; the
// other factor is D's own projection, so that no error of them reaches it.
#include "src/adapter/nearest_factors.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "src/base/error.h"

namespace dorabooth {

NearestFactors nearest_factors(const at::Tensor& difference, int64_t rank) {
  const int64_t least = std::min(difference.size(0), difference.size(1));
  if (rank < 1) fail("rank ", rank, ": want at least 1");
  const int64_t kept = std::min(rank, least);
  const at::Tensor d = difference.to(at::kDouble);
  const bool wide = d.size(0) <= d.size(1);
  const at::Tensor square = wide ? at::matmul(d, d.t()) : at::matmul(d.t(), d);
  // Ascending: the largest are the last.
  const at::Tensor vectors = std::get<1>(at::linalg_eigh(square)).slice(1, least - kept, least);
  const at::Tensor other = wide ? at::matmul(vectors.t(), d) : at::matmul(d, vectors);
  const at::Tensor values = other.norm(2, {wide ? 1 : 0}).clamp_min(1e-300).sqrt();
  NearestFactors result;
  if (wide) {
    result.b = (vectors * values).flip(1);
    result.a = (other / values.unsqueeze(1)).flip(0);
  } else {
    result.b = (other / values).flip(1);
    result.a = (vectors * values).t().flip(0);
  }
  result.a = result.a.to(at::kFloat).contiguous();
  result.b = result.b.to(at::kFloat).contiguous();
  result.norm = d.norm().item<double>();
  const at::Tensor made = at::matmul(result.b.to(at::kDouble), result.a.to(at::kDouble));
  result.residual = (d - made).norm().item<double>();
  return result;
}

}  // namespace dorabooth
