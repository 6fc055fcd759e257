// DPM-Solver++ multistep of order 1 or 2, ODE (2M) and SDE (2M SDE); diffusers'
// DPMSolverMultistepScheduler. The SDE draws in every call, in the last one too.
#include <ATen/ATen.h>

#include "src/scheduler/dpm_solver.h"
#include "src/scheduler/samplers.h"
#include "src/scheduler/timestep_spacing.h"

namespace dorabooth {

namespace {

// Below this many steps the last one is of first order where lower_order_final says so.
constexpr size_t kShortRun = 15;

class DpmSolverMultistep : public DpmSolver {
 public:
  explicit DpmSolverMultistep(SchedulerConfig config)
      : DpmSolver(std::move(config)), table_(alphas_cumprod_, config_.rescale_betas_zero_snr) {}

 protected:
  void make_timesteps(int64_t n) override {
    const SolverScheduleRule rule{.truncate_karras = config_.beta_schedule == "squaredcos_cap_v2"};
    make_solver_schedule(config_, table_, n, solver_timesteps(config_, n), rule, &timesteps_,
                         &sigmas_);
  }

  void reset_history() override { previous_x0_.reset(); }

  at::Tensor advance(const at::Tensor& model_output, size_t index, const at::Tensor& sample,
                     NoiseSource& noise) override {
    const DpmPoint now(sigmas_[index]);
    const DpmPoint next(sigmas_[index + 1]);
    const at::Tensor x0 = predicted_x0(model_output, sample, now);
    const at::Tensor drawn = stochastic_ ? draw(noise, x0, at::kFloat) : at::Tensor();
    const bool last = index + 1 == timesteps_.size();
    const bool first_order =
        config_.solver_order == 1 || !previous_x0_.defined() ||
        (last && (config_.euler_at_final || config_.final_sigmas_type == "zero" ||
                  (config_.lower_order_final && timesteps_.size() < kShortRun)));
    at::Tensor d1;
    if (!first_order) {
      const DpmPoint before(sigmas_[index - 1]);
      const float r = (now.lambda - before.lambda) / (next.lambda - now.lambda);
      d1 = 1 / r * (x0 - previous_x0_);
    }
    previous_x0_ = x0;
    return dpm_update(now, next, sample.to(at::kFloat), x0, d1, heun_, drawn).to(x0.scalar_type());
  }

 private:
  SigmaTable table_;
  at::Tensor previous_x0_;
};

}  // namespace

std::unique_ptr<Scheduler> make_dpm_solver_multistep(SchedulerConfig config) {
  return std::make_unique<DpmSolverMultistep>(std::move(config));
}

}  // namespace dorabooth
