// DPM-Solver++ single-step of order 1 or 2, SDE and ODE; diffusers' DPMSolverSinglestepScheduler.
// Calls come in pairs: the second one restarts from the sample where the first one started. The SDE
// draws in every call.
#include <ATen/ATen.h>

#include "src/base/error.h"
#include "src/scheduler/dpm_solver.h"
#include "src/scheduler/samplers.h"
#include "src/scheduler/timestep_spacing.h"

namespace dorabooth {

namespace {

class DpmSolverSinglestep : public DpmSolver {
 public:
  explicit DpmSolverSinglestep(SchedulerConfig config)
      : DpmSolver(std::move(config)), table_(alphas_cumprod_, false) {
    // A run that ends without noise ends in first order, as diffusers decides by itself.
    if (config_.final_sigmas_type == "zero") config_.lower_order_final = true;
  }

 protected:
  void make_timesteps(int64_t n) override {
    make_solver_schedule(config_, table_, n, even_timesteps(config_.num_train_timesteps - 1, n), {},
                         &timesteps_, &sigmas_);
    const bool ends_on_zero = config_.final_sigmas_type == "zero";
    const bool lower_final = config_.lower_order_final || n % config_.solver_order != 0;
    second_order_.assign(static_cast<size_t>(n), false);
    if (config_.solver_order == 1) return;
    // An even run that ends in first order needs two such calls at its end.
    const int64_t paired = lower_final && n % 2 == 0 ? n - 2 : n;
    for (int64_t i = 1; i < paired; i += 2) second_order_[static_cast<size_t>(i)] = true;
    if (ends_on_zero) second_order_.back() = false;
  }

  void reset_history() override {
    start_.reset();
    start_x0_.reset();
  }

  at::Tensor advance(const at::Tensor& model_output, size_t index, const at::Tensor& sample,
                     NoiseSource& noise) override {
    const DpmPoint now(sigmas_[index]);
    const DpmPoint next(sigmas_[index + 1]);
    const at::Tensor x0 = predicted_x0(model_output, sample, now);
    const at::Tensor drawn = stochastic_ ? draw(noise, x0, x0.scalar_type()) : at::Tensor();
    if (!second_order_[index]) {
      start_ = sample;
      start_x0_ = x0;
      return dpm_update(now, next, sample, x0, {}, heun_, drawn);
    }
    const DpmPoint start(sigmas_[index - 1]);
    const float r = (now.lambda - start.lambda) / (next.lambda - start.lambda);
    const at::Tensor d1 = 1 / r * (x0 - start_x0_);
    return dpm_update(start, next, start_, start_x0_, d1, heun_, drawn);
  }

 private:
  SigmaTable table_;
  std::vector<bool> second_order_;  // by call
  at::Tensor start_;                // sample and clean prediction of the latest first-order call
  at::Tensor start_x0_;
};

}  // namespace

std::unique_ptr<Scheduler> make_dpm_solver_singlestep(SchedulerConfig config) {
  return std::make_unique<DpmSolverSinglestep>(std::move(config));
}

}  // namespace dorabooth
