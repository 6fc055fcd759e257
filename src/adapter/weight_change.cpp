#include "src/adapter/weight_change.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>

#include "src/base/error.h"

namespace dorabooth {

namespace {

at::Tensor vectors_of(const at::Tensor& weight, VectorAxis axis) {
  const at::Tensor numbers = weight.to(at::kCPU, at::kDouble);
  return (axis == VectorAxis::kOutput ? numbers : numbers.transpose(0, 1)).flatten(1);
}

}  // namespace

WeightChange weight_change(const at::Tensor& w0, const at::Tensor& w, VectorAxis axis) {
  if (w0.sizes() != w.sizes() || w0.dim() < 2) {
    fail("two weights of one shape are compared, got ", shape_text(w0.sizes().vec()), " and ",
         shape_text(w.sizes().vec()));
  }
  const at::NoGradGuard no_grad;
  const at::Tensor before = vectors_of(w0, axis);
  const at::Tensor after = vectors_of(w, axis);
  const at::Tensor norm_before = before.norm(2, {1});
  const at::Tensor norm_after = after.norm(2, {1});
  const at::Tensor product = norm_before * norm_after;
  const at::Tensor usable = product > 0;
  const at::Tensor cosine =
      (before * after).sum(1) / at::where(usable, product, at::ones_like(product));
  const at::Tensor without = ((norm_before == 0) & (norm_after == 0)).to(at::kDouble);
  WeightChange change;
  change.magnitude = (norm_after - norm_before).abs().mean().item<double>();
  change.direction = (1 - at::where(usable, cosine, without)).mean().item<double>();
  return change;
}

ChangeTrend change_trend(const std::vector<WeightChange>& changes) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  const auto count = static_cast<double>(changes.size());
  double mean_m = 0, mean_d = 0;
  for (const WeightChange& change : changes) {
    mean_m += change.magnitude / count;
    mean_d += change.direction / count;
  }
  double mm = 0, dd = 0, md = 0;
  for (const WeightChange& change : changes) {
    const double m = change.magnitude - mean_m;
    const double d = change.direction - mean_d;
    mm += m * m;
    dd += d * d;
    md += m * d;
  }
  ChangeTrend trend;
  trend.pearson = mm > 0 && dd > 0 ? md / std::sqrt(mm * dd) : kNone;
  trend.slope = dd > 0 ? md / dd : kNone;
  trend.intercept = dd > 0 ? mean_m - trend.slope * mean_d : kNone;
  return trend;
}

}  // namespace dorabooth
