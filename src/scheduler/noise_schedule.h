// The forward diffusion process q(x_t | x_0) (Ho et al. 2020): betas, cumulative alphas, and what
// training needs of them. Tables are float32 like the reference's.
#pragma once

#include <ATen/core/Tensor.h>

#include "src/scheduler/scheduler_config.h"

namespace dorabooth {

// betas [num_train_timesteps], float32 on the CPU, with the zero-terminal-SNR rescale where asked.
at::Tensor make_betas(const SchedulerConfig& config);

// Lin et al. 2024, "Common diffusion noise schedules and sample steps are flawed", algorithm 1.
at::Tensor rescale_zero_terminal_snr(const at::Tensor& betas);

// alphas_cumprod [num_train_timesteps] of betas.
at::Tensor cumulative_alphas(const at::Tensor& betas);

// The training side of a noise schedule. Coefficients are computed in float32 and the result has
// the dtype of x0; timesteps are int64 [batch], one per row of x0.
class Ddpm {
 public:
  explicit Ddpm(const SchedulerConfig& config);

  int64_t num_train_timesteps() const { return betas_.size(0); }
  const at::Tensor& betas() const { return betas_; }
  const at::Tensor& alphas_cumprod() const { return alphas_cumprod_; }
  // ac / (1 - ac) of every timestep.
  at::Tensor snr() const;
  // Of the given ones, on their device.
  at::Tensor snr(const at::Tensor& timesteps) const;

  // sqrt(ac) x0 + sqrt(1-ac) noise.
  at::Tensor add_noise(const at::Tensor& x0, const at::Tensor& noise,
                       const at::Tensor& timesteps) const;
  // sqrt(ac) noise - sqrt(1-ac) x0: the target of v prediction.
  at::Tensor velocity(const at::Tensor& x0, const at::Tensor& noise,
                      const at::Tensor& timesteps) const;

 private:
  at::Tensor alphas_at(const at::Tensor& timesteps, const at::Tensor& like) const;

  at::Tensor betas_;
  at::Tensor alphas_cumprod_;
};

}  // namespace dorabooth
