// Heun's second-order method (Karras et al. 2022, algorithm 1); diffusers' HeunDiscreteScheduler.
// Two model calls a step: even calls predict with Euler, odd calls average the two derivatives and
// restart from the sample of the call before. The last step is Euler's.
#include <ATen/ATen.h>

#include "src/scheduler/samplers.h"
#include "src/scheduler/timestep_spacing.h"

namespace dorabooth {

namespace {

class Heun : public SigmaSpaceScheduler {
 public:
  explicit Heun(SchedulerConfig config)
      : SigmaSpaceScheduler(std::move(config)), table_(alphas_cumprod_, false) {}

 protected:
  void make_timesteps(int64_t n) override {
    std::vector<double> steps;
    std::vector<float> step_sigmas;
    make_sigma_space_schedule(config_, table_, n, &steps, &step_sigmas);
    for (size_t i = 0; i < steps.size(); ++i) {
      for (int call = i == 0 ? 1 : 0; call < 2; ++call) {
        timesteps_.push_back(steps[i]);
        sigmas_.push_back(step_sigmas[i]);
      }
    }
    sigmas_.push_back(step_sigmas.back());
  }

  void reset_history() override {
    derivative_.reset();
    sample_.reset();
  }

  at::Tensor advance(const at::Tensor& model_output, size_t index, const at::Tensor& sample,
                     NoiseSource&) override {
    const bool predictor = index % 2 == 0;
    const float sigma = sigmas_[index];
    const at::Tensor x0 = clipped(predicted_x0(model_output, sample, sigma));
    const at::Tensor derivative = (sample - x0) / sigma;
    if (predictor) {
      derivative_ = derivative;
      sample_ = sample;
      return sample + derivative * (sigmas_[index + 1] - sigma);
    }
    const float step = sigma - sigmas_[index - 1];
    return sample_ + (derivative_ + derivative) / 2 * step;
  }

 private:
  SigmaTable table_;
  at::Tensor derivative_;
  at::Tensor sample_;
};

}  // namespace

std::unique_ptr<Scheduler> make_heun(SchedulerConfig config) {
  return std::make_unique<Heun>(std::move(config));
}

}  // namespace dorabooth
