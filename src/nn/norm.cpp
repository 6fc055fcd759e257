// Both go to LibTorch's kernels, which compute the statistics in fp32 for half-precision inputs.
#include "src/nn/norm.h"

#include <ATen/ATen.h>

#include "src/base/error.h"

namespace dorabooth::nn {

GroupNorm::GroupNorm(int64_t groups, int64_t channels, double eps, const at::TensorOptions& options)
    : groups_(groups), eps_(eps) {
  if (groups < 1 || channels % groups != 0) {
    fail("group norm: ", channels, " channels do not divide into ", groups, " groups");
  }
  declare("weight", {channels}, options);
  declare("bias", {channels}, options);
}

at::Tensor GroupNorm::forward(const at::Tensor& x) const {
  return at::group_norm(x, groups_, value("weight"), value("bias"), eps_);
}

LayerNorm::LayerNorm(int64_t features, double eps, const at::TensorOptions& options)
    : features_(features), eps_(eps) {
  declare("weight", {features}, options);
  declare("bias", {features}, options);
}

at::Tensor LayerNorm::forward(const at::Tensor& x) const {
  return at::layer_norm(x, {features_}, value("weight"), value("bias"), eps_);
}

}  // namespace dorabooth::nn
