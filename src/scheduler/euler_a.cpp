// Euler steps with ancestral noise; diffusers' EulerAncestralDiscreteScheduler. Draws in every
// step, in the last one too, where the noise is multiplied by 0.
#include <ATen/ATen.h>

#include <cmath>

#include "src/scheduler/samplers.h"
#include "src/scheduler/timestep_spacing.h"

namespace dorabooth {

namespace {

class EulerAncestral : public SigmaSpaceScheduler {
 public:
  explicit EulerAncestral(SchedulerConfig config)
      : SigmaSpaceScheduler(std::move(config)),
        table_(alphas_cumprod_, config_.rescale_betas_zero_snr) {
    require_prediction({"epsilon", "v_prediction"});
  }

 protected:
  void make_timesteps(int64_t n) override {
    make_sigma_space_schedule(config_, table_, n, &timesteps_, &sigmas_);
  }

  at::Tensor advance(const at::Tensor& model_output, size_t index, const at::Tensor& sample,
                     NoiseSource& noise) override {
    const float from = sigmas_[index];
    const float to = sigmas_[index + 1];
    const float up = std::sqrt(to * to * (from * from - to * to) / (from * from));
    const float down = std::sqrt(to * to - up * up);
    const at::Tensor x = sample.to(at::kFloat);
    const at::Tensor derivative = (x - predicted_x0(model_output, x, from)) / from;
    const at::Tensor moved = x + derivative * (down - from);
    return (moved + draw(noise, model_output, model_output.scalar_type()) * up)
        .to(model_output.scalar_type());
  }

 private:
  SigmaTable table_;
};

}  // namespace

std::unique_ptr<Scheduler> make_euler_ancestral(SchedulerConfig config) {
  return std::make_unique<EulerAncestral>(std::move(config));
}

}  // namespace dorabooth
