// The three prediction targets.
#include "src/objective/target.h"

#include <ATen/ATen.h>

#include "src/base/error.h"

namespace dorabooth {

at::Tensor training_target(const std::string& prediction_type, const Ddpm& ddpm,
                           const at::Tensor& x0, const at::Tensor& noise,
                           const at::Tensor& timesteps) {
  if (prediction_type == "epsilon") return noise;
  if (prediction_type == "v_prediction") return ddpm.velocity(x0, noise, timesteps);
  if (prediction_type == "sample") return x0;
  fail("prediction_type '", prediction_type, "' is not one of epsilon, v_prediction, sample");
}

}  // namespace dorabooth
