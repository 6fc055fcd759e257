// The updates of DPM-Solver++ as an ODE and as an SDE, in the data prediction form.
#include "src/scheduler/dpm_solver.h"

#include <ATen/ATen.h>

#include <cmath>

#include "src/base/error.h"

namespace dorabooth {

DpmPoint::DpmPoint(float sigma)
    : alpha(1 / std::sqrt(sigma * sigma + 1)),
      noise(sigma * alpha),
      lambda(std::log(alpha) - std::log(noise)) {}

at::Tensor dpm_update(const DpmPoint& start, const DpmPoint& end, const at::Tensor& sample,
                      const at::Tensor& d0, const at::Tensor& d1, bool heun,
                      const at::Tensor& noise) {
  const float h = end.lambda - start.lambda;
  const float decay = std::exp(-h);
  const float ratio = end.noise / start.noise;
  if (!noise.defined()) {
    const float weight = end.alpha * (decay - 1);
    at::Tensor x = ratio * sample - weight * d0;
    if (!d1.defined()) return x;
    return heun ? x + end.alpha * ((decay - 1) / h + 1) * d1 : x - 0.5f * weight * d1;
  }
  const float square = std::exp(-2 * h);
  const float weight = end.alpha * (1 - square);
  at::Tensor x = ratio * decay * sample + weight * d0;
  if (d1.defined()) {
    x = x + (heun ? end.alpha * ((1 - square) / (-2 * h) + 1) : 0.5f * weight) * d1;
  }
  return x + end.noise * std::sqrt(1 - square) * noise;
}

DpmSolver::DpmSolver(SchedulerConfig config) : Scheduler(std::move(config)) {
  // Values of sibling classes select the nearest of this one, as diffusers has it.
  if (config_.algorithm_type == "deis") config_.algorithm_type = "dpmsolver++";
  for (const char* other : {"logrho", "bh1", "bh2"}) {
    if (config_.solver_type == other) config_.solver_type = "midpoint";
  }
  stochastic_ = config_.algorithm_type == "sde-dpmsolver++";
  heun_ = config_.solver_type == "heun";
  if (!stochastic_ && config_.algorithm_type != "dpmsolver++") {
    fail("algorithm_type '", config_.algorithm_type, "' is not supported by ", config_.class_name,
         " (only dpmsolver++ and sde-dpmsolver++ are)");
  }
  if (!heun_ && config_.solver_type != "midpoint") {
    fail("solver_type '", config_.solver_type, "' is not supported by ", config_.class_name);
  }
  if (config_.solver_order > 2) {
    fail("solver_order = ", config_.solver_order, " is not supported by ", config_.class_name,
         " (1 and 2 are)");
  }
  if (config_.variance_type) {
    fail("variance_type '", *config_.variance_type, "' is not supported by ", config_.class_name);
  }
}

at::Tensor DpmSolver::predicted_x0(const at::Tensor& model_output, const at::Tensor& sample,
                                   const DpmPoint& at) const {
  if (predicts("sample")) return model_output;
  if (predicts("epsilon")) return (sample - at.noise * model_output) / at.alpha;
  return at.alpha * sample - at.noise * model_output;
}

}  // namespace dorabooth
