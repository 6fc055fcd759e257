// The sinusoid is computed in fp32 whatever the model's dtype, as diffusers does.
#include "src/nn/timestep_embedding.h"

#include <ATen/ATen.h>

#include <cmath>

#include "src/base/error.h"
#include "src/nn/temporary.h"

namespace dorabooth::nn {

at::Tensor sinusoid(const at::Tensor& values, int64_t features) {
  if (features % 2 != 0) fail("sinusoid: want an even number of features, got ", features);
  const int64_t half = features / 2;
  const at::Tensor index = at::arange(half, values.options().dtype(at::kFloat));
  const at::Tensor frequency = at::exp(index * (-std::log(10000.0) / static_cast<double>(half)));
  const at::Tensor angle = values.to(at::kFloat).flatten().unsqueeze(1) * frequency;
  return at::cat({angle.cos(), angle.sin()}, 1);
}

TimestepEmbedding::TimestepEmbedding(int64_t in_features, int64_t out_features,
                                     const at::TensorOptions& options) {
  linear_1_ = register_module(
      "linear_1", std::make_shared<Linear>(in_features, out_features, /*bias=*/true, options));
  linear_2_ = register_module(
      "linear_2", std::make_shared<Linear>(out_features, out_features, /*bias=*/true, options));
}

at::Tensor TimestepEmbedding::forward(const at::Tensor& x) const {
  return linear_2_->forward(silu_of_temporary(linear_1_->forward(x)));
}

}  // namespace dorabooth::nn
