// Euler's method for the probability-flow ODE (Karras et al. 2022, algorithm 2 without churn);
// diffusers' EulerDiscreteScheduler.
#include <ATen/ATen.h>

#include "src/scheduler/samplers.h"
#include "src/scheduler/timestep_spacing.h"

namespace dorabooth {

namespace {

class Euler : public SigmaSpaceScheduler {
 public:
  explicit Euler(SchedulerConfig config)
      : SigmaSpaceScheduler(std::move(config)),
        table_(alphas_cumprod_, config_.rescale_betas_zero_snr) {}

 protected:
  void make_timesteps(int64_t n) override {
    make_sigma_space_schedule(config_, table_, n, &timesteps_, &sigmas_);
  }

  at::Tensor advance(const at::Tensor& model_output, size_t index, const at::Tensor& sample,
                     NoiseSource&) override {
    const float sigma = sigmas_[index];
    const at::Tensor x = sample.to(at::kFloat);
    const at::Tensor derivative = (x - predicted_x0(model_output, x, sigma)) / sigma;
    return (x + derivative * (sigmas_[index + 1] - sigma)).to(model_output.scalar_type());
  }

 private:
  SigmaTable table_;
};

}  // namespace

std::unique_ptr<Scheduler> make_euler(SchedulerConfig config) {
  return std::make_unique<Euler>(std::move(config));
}

}  // namespace dorabooth
