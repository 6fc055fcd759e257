// What the model is trained to predict from the noisy sample.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "src/scheduler/noise_schedule.h"

namespace dorabooth {

// epsilon: the noise; v_prediction: sqrt(ac) noise - sqrt(1-ac) x0 (Salimans and Ho 2022);
// sample: x0. x0 and noise [batch, …], timesteps int64 [batch].
at::Tensor training_target(const std::string& prediction_type, const Ddpm& ddpm,
                           const at::Tensor& x0, const at::Tensor& noise,
                           const at::Tensor& timesteps);

}  // namespace dorabooth
