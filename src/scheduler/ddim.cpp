// DDIM (Song et al. 2021) with eta; diffusers' DDIMScheduler.
#include <ATen/ATen.h>

#include <cmath>

#include "src/base/error.h"
#include "src/scheduler/samplers.h"
#include "src/scheduler/timestep_spacing.h"

namespace dorabooth {

namespace {

class Ddim : public Scheduler {
 public:
  Ddim(SchedulerConfig config, double eta)
      : Scheduler(std::move(config)), eta_(static_cast<float>(eta)) {
    if (!(eta >= 0 && eta <= 1)) fail("eta must be between 0 and 1, got ", eta);
  }

 protected:
  void make_timesteps(int64_t n) override { timesteps_ = spaced_timesteps(config_, n, true); }

  at::Tensor advance(const at::Tensor& model_output, size_t index, const at::Tensor& sample,
                     NoiseSource& noise) override {
    const int64_t t = timestep(index);
    const int64_t previous = t - config_.num_train_timesteps / steps_;
    const float alpha = alpha_cumprod(t);
    const float first = config_.set_alpha_to_one ? 1.0f : alpha_cumprod(0);
    const float alpha_previous = previous >= 0 ? alpha_cumprod(previous) : first;
    const float root_alpha = std::sqrt(alpha);
    const float root_beta = std::sqrt(1 - alpha);

    at::Tensor x0 = model_output;
    at::Tensor epsilon = model_output;
    if (predicts("epsilon")) {
      x0 = (sample - root_beta * model_output) / root_alpha;
    } else if (predicts("sample")) {
      epsilon = (sample - root_alpha * x0) / root_beta;
    } else {
      x0 = root_alpha * sample - root_beta * model_output;
      epsilon = root_alpha * model_output + root_beta * sample;
    }
    x0 = clipped(x0);

    const float variance = (1 - alpha_previous) / (1 - alpha) * (1 - alpha / alpha_previous);
    const float deviation = eta_ * std::sqrt(variance);
    const at::Tensor direction = std::sqrt(1 - alpha_previous - deviation * deviation) * epsilon;
    const at::Tensor next = std::sqrt(alpha_previous) * x0 + direction;
    if (eta_ == 0) return next;
    return next + deviation * draw(noise, model_output, model_output.scalar_type());
  }

 private:
  float eta_;
};

}  // namespace

std::unique_ptr<Scheduler> make_ddim(SchedulerConfig config, double eta) {
  return std::make_unique<Ddim>(std::move(config), eta);
}

}  // namespace dorabooth
