// Beta schedules as diffusers computes them, and the DDPM forward process.
#include "src/scheduler/noise_schedule.h"

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

#include "src/base/error.h"

namespace dorabooth {

namespace {

// Nichol and Dhariwal 2021, the cosine schedule, in double like the reference.
at::Tensor squared_cosine_betas(int64_t count) {
  const auto alpha_bar = [](double t) {
    const double root = std::cos((t + 0.008) / 1.008 * std::numbers::pi / 2);
    return root * root;
  };
  at::Tensor betas = at::empty({count}, at::kFloat);
  float* out = betas.mutable_data_ptr<float>();
  const double n = static_cast<double>(count);
  for (int64_t i = 0; i < count; ++i) {
    const double t1 = static_cast<double>(i) / n;
    const double t2 = static_cast<double>(i + 1) / n;
    out[i] = static_cast<float>(std::min(1 - alpha_bar(t2) / alpha_bar(t1), 0.999));
  }
  return betas;
}

}  // namespace

at::Tensor make_betas(const SchedulerConfig& config) {
  const int64_t count = config.num_train_timesteps;
  at::Tensor betas;
  if (config.trained_betas) {
    betas = at::empty({static_cast<int64_t>(config.trained_betas->size())}, at::kFloat);
    float* out = betas.mutable_data_ptr<float>();
    for (const double beta : *config.trained_betas) *out++ = static_cast<float>(beta);
    if (betas.size(0) != count) {
      fail("trained_betas has ", betas.size(0), " values, num_train_timesteps is ", count);
    }
  } else if (config.beta_schedule == "linear") {
    betas = at::linspace(config.beta_start, config.beta_end, count, at::kFloat);
  } else if (config.beta_schedule == "scaled_linear") {
    betas =
        at::linspace(std::sqrt(config.beta_start), std::sqrt(config.beta_end), count, at::kFloat)
            .pow(2);
  } else if (config.beta_schedule == "squaredcos_cap_v2") {
    betas = squared_cosine_betas(count);
  } else {
    fail("beta_schedule '", config.beta_schedule, "' is not supported");
  }
  return config.rescale_betas_zero_snr ? rescale_zero_terminal_snr(betas) : betas;
}

at::Tensor rescale_zero_terminal_snr(const at::Tensor& betas) {
  at::Tensor root = cumulative_alphas(betas).sqrt();
  const at::Tensor first = root[0].clone();
  const at::Tensor last = root[-1].clone();
  root = (root - last) * (first / (first - last));
  const at::Tensor product = root.pow(2);
  const at::Tensor ratios = product.slice(0, 1) / product.slice(0, 0, -1);
  return 1 - at::cat({product.slice(0, 0, 1), ratios});
}

at::Tensor cumulative_alphas(const at::Tensor& betas) { return at::cumprod(1.0 - betas, 0); }

Ddpm::Ddpm(const SchedulerConfig& config)
    : betas_(make_betas(config)), alphas_cumprod_(cumulative_alphas(betas_)) {}

at::Tensor Ddpm::snr() const { return alphas_cumprod_ / (1 - alphas_cumprod_); }

at::Tensor Ddpm::snr(const at::Tensor& timesteps) const {
  return snr().to(timesteps.device()).index_select(0, timesteps);
}

at::Tensor Ddpm::alphas_at(const at::Tensor& timesteps, const at::Tensor& like) const {
  if (timesteps.dim() != 1 || timesteps.size(0) != like.size(0)) {
    fail("timesteps have shape ", shape_text(timesteps.sizes().vec()), ", want one for each of ",
         like.size(0), " rows");
  }
  std::vector<int64_t> shape(static_cast<size_t>(like.dim()), 1);
  shape[0] = like.size(0);
  return alphas_cumprod_.to(like.device()).index_select(0, timesteps.to(like.device())).view(shape);
}

at::Tensor Ddpm::add_noise(const at::Tensor& x0, const at::Tensor& noise,
                           const at::Tensor& timesteps) const {
  const at::Tensor alphas = alphas_at(timesteps, x0);
  return (alphas.sqrt() * x0 + (1 - alphas).sqrt() * noise).to(x0.scalar_type());
}

at::Tensor Ddpm::velocity(const at::Tensor& x0, const at::Tensor& noise,
                          const at::Tensor& timesteps) const {
  const at::Tensor alphas = alphas_at(timesteps, x0);
  return (alphas.sqrt() * noise - (1 - alphas).sqrt() * x0).to(x0.scalar_type());
}

}  // namespace dorabooth
