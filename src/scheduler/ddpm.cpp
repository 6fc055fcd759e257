// DDPM ancestral sampling (Ho et al. 2020) over a subset of the timesteps; diffusers'
// DDPMScheduler.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "src/base/error.h"
#include "src/scheduler/samplers.h"
#include "src/scheduler/timestep_spacing.h"

namespace dorabooth {

namespace {

class DdpmSampler : public Scheduler {
 public:
  explicit DdpmSampler(SchedulerConfig config) : Scheduler(std::move(config)) {
    const std::string type = config_.variance_type.value_or("fixed_small");
    if (type != "fixed_small" && type != "fixed_small_log" && type != "fixed_large") {
      fail("variance_type '", type, "' is not supported by DDPMScheduler");
    }
    large_variance_ = type == "fixed_large";
  }

 protected:
  void make_timesteps(int64_t n) override { timesteps_ = spaced_timesteps(config_, n, true); }

  at::Tensor advance(const at::Tensor& model_output, size_t index, const at::Tensor& sample,
                     NoiseSource& noise) override {
    const int64_t t = timestep(index);
    const bool last = index + 1 == timesteps_.size();
    const float product = alpha_cumprod(t);
    const float product_previous = last ? 1.0f : alpha_cumprod(timestep(index + 1));
    const float beta_product = 1 - product;
    const float beta_product_previous = 1 - product_previous;
    const float alpha = product / product_previous;
    const float beta = 1 - alpha;

    at::Tensor x0 = model_output;
    if (predicts("epsilon")) {
      x0 = (sample - std::sqrt(beta_product) * model_output) / std::sqrt(product);
    } else if (predicts("v_prediction")) {
      x0 = std::sqrt(product) * sample - std::sqrt(beta_product) * model_output;
    }
    x0 = clipped(x0);

    const float x0_weight = std::sqrt(product_previous) * beta / beta_product;
    const float sample_weight = std::sqrt(alpha) * beta_product_previous / beta_product;
    const at::Tensor mean = x0_weight * x0 + sample_weight * sample;
    if (t == 0) return mean;
    const float small = std::max(beta_product_previous / beta_product * beta, 1e-20f);
    const float variance = large_variance_ ? beta : small;
    return mean + std::sqrt(variance) * draw(noise, model_output, model_output.scalar_type());
  }

 private:
  bool large_variance_ = false;
};

}  // namespace

std::unique_ptr<Scheduler> make_ddpm(SchedulerConfig config) {
  return std::make_unique<DdpmSampler>(std::move(config));
}

}  // namespace dorabooth
