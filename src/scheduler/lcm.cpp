// Latent consistency sampling (Luo et al. 2023); diffusers' LCMScheduler. Every step but the last
// one returns to the next timestep's noise level.
#include <ATen/ATen.h>

#include <cmath>

#include "src/base/error.h"
#include "src/scheduler/samplers.h"

namespace dorabooth {

namespace {

class Lcm : public Scheduler {
 public:
  explicit Lcm(SchedulerConfig config) : Scheduler(std::move(config)) {
    if (config_.original_inference_steps > config_.num_train_timesteps) {
      fail("original_inference_steps = ", config_.original_inference_steps, " is more than the ",
           config_.num_train_timesteps, " training timesteps");
    }
  }

 protected:
  void make_timesteps(int64_t n) override {
    const int64_t origin = config_.original_inference_steps;
    if (n > origin) {
      fail("LCM takes at most original_inference_steps = ", origin, " steps, got ", n);
    }
    const int64_t ratio = config_.num_train_timesteps / origin;
    const double stride = static_cast<double>(origin) / static_cast<double>(n);
    for (int64_t i = 0; i < n; ++i) {
      const int64_t skipped = static_cast<int64_t>(std::floor(static_cast<double>(i) * stride));
      timesteps_.push_back(static_cast<double>((origin - skipped) * ratio - 1));
    }
  }

  at::Tensor advance(const at::Tensor& model_output, size_t index, const at::Tensor& sample,
                     NoiseSource& noise) override {
    constexpr float kDataVariance = 0.25f;
    const bool last = index + 1 == timesteps_.size();
    const float alpha = alpha_cumprod(timestep(index));
    const float root_alpha = std::sqrt(alpha);
    const float root_beta = std::sqrt(1 - alpha);
    const float time = static_cast<float>(timesteps_[index] * config_.timestep_scaling);
    const float norm = time * time + kDataVariance;

    at::Tensor x0 = model_output;
    if (predicts("epsilon")) {
      x0 = (sample - root_beta * model_output) / root_alpha;
    } else if (predicts("v_prediction")) {
      x0 = root_alpha * sample - root_beta * model_output;
    }
    const at::Tensor denoised =
        time / std::sqrt(norm) * clipped(x0) + kDataVariance / norm * sample;
    if (last) return denoised;
    const float alpha_next = alpha_cumprod(timestep(index + 1));
    return std::sqrt(alpha_next) * denoised +
           std::sqrt(1 - alpha_next) * draw(noise, model_output, denoised.scalar_type());
  }
};

}  // namespace

std::unique_ptr<Scheduler> make_lcm(SchedulerConfig config) {
  return std::make_unique<Lcm>(std::move(config));
}

}  // namespace dorabooth
