// DPM-Solver++ (Lu et al. 2022): what its multistep and single-step samplers share. In terms of
// lambda = log(alpha / sigma) the model's clean sample x0 is integrated from lambda_s to lambda_t.
#pragma once

#include <ATen/core/Tensor.h>

#include "src/scheduler/scheduler.h"

namespace dorabooth {

// A point of the variance-preserving process at `sigma` = noise over signal.
struct DpmPoint {
  explicit DpmPoint(float sigma);
  float alpha;   // 1 / sqrt(sigma² + 1)
  float noise;   // sigma * alpha
  float lambda;  // log(alpha) - log(noise); infinite where sigma is 0
};

// One step from `start` to `end` over h = lambda_end - lambda_start:
//   ODE: x = sg'/sg x - al'(e^-h - 1)(D0 + D1/2)
//   SDE: x = sg'/sg e^-h x + al'(1 - e^-2h)(D0 + D1/2) + sg' sqrt(1 - e^-2h) noise
// With solver_type heun the weight of D1 is exact to second order instead of half of D0's.
// D1 undefined: first order. noise defined: the SDE.
at::Tensor dpm_update(const DpmPoint& start, const DpmPoint& end, const at::Tensor& sample,
                      const at::Tensor& d0, const at::Tensor& d1, bool heun,
                      const at::Tensor& noise);

// The part of both samplers that reads the config and converts outputs.
class DpmSolver : public Scheduler {
 protected:
  explicit DpmSolver(SchedulerConfig config);
  at::Tensor predicted_x0(const at::Tensor& model_output, const at::Tensor& sample,
                          const DpmPoint& at) const;

  bool stochastic_ = false;
  bool heun_ = false;
};

}  // namespace dorabooth
