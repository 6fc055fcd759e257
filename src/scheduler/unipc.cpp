// UniPC (Zhao et al. 2023) of order 1 or 2 in the data prediction form; diffusers'
// UniPCMultistepScheduler. A call first corrects the step that led to it, with the clean sample
// that it has just got, then predicts the next step.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "src/base/error.h"
#include "src/scheduler/dpm_solver.h"
#include "src/scheduler/samplers.h"
#include "src/scheduler/timestep_spacing.h"

namespace dorabooth {

namespace {

class UniPc : public Scheduler {
 public:
  explicit UniPc(SchedulerConfig config)
      : Scheduler(std::move(config)), table_(alphas_cumprod_, config_.rescale_betas_zero_snr) {
    // Solver types of sibling classes select bh2, as diffusers has it.
    for (const char* other : {"midpoint", "heun", "logrho"}) {
      if (config_.solver_type == other) config_.solver_type = "bh2";
    }
    if (config_.solver_type != "bh1" && config_.solver_type != "bh2") {
      fail("solver_type '", config_.solver_type, "' is not supported by ", config_.class_name);
    }
    if (config_.solver_order > 2) {
      fail("solver_order = ", config_.solver_order, " is not supported by ", config_.class_name,
           " (1 and 2 are)");
    }
  }

 protected:
  void make_timesteps(int64_t n) override {
    const SolverScheduleRule rule{.final_is_last_spaced = true};
    make_solver_schedule(config_, table_, n, solver_timesteps(config_, n), rule, &timesteps_,
                         &sigmas_);
  }

  void reset_history() override {
    x0_.reset();
    previous_x0_.reset();
    last_sample_.reset();
    last_order_ = 0;
  }

  at::Tensor advance(const at::Tensor& model_output, size_t index, const at::Tensor& sample,
                     NoiseSource&) override {
    const at::Tensor x0 = predicted_x0(model_output, sample, DpmPoint(sigmas_[index]));
    at::Tensor corrected = sample;
    if (last_sample_.defined() && corrector_runs_after(index - 1)) {
      corrected = correct(x0, index);
    }
    previous_x0_ = x0_;
    x0_ = x0;
    last_sample_ = corrected;
    const int64_t remaining = static_cast<int64_t>(timesteps_.size() - index);
    last_order_ = std::min(config_.solver_order, static_cast<int64_t>(index) + 1);
    if (config_.lower_order_final) last_order_ = std::min(last_order_, remaining);
    return predict(corrected, index);
  }

 private:
  // What predictor and corrector share for a step from `from` to `to`, h = lambda_to - lambda_from:
  // x = sg'/sg x - al' expm1(-h) m0 - al' B (weighted differences).
  struct Step {
    Step(float sigma_from, float sigma_to, bool bh1)
        : from(sigma_from), to(sigma_to), h(to.lambda - from.lambda) {
      phi_1 = std::expm1(-h);
      b = bh1 ? -h : phi_1;
    }
    at::Tensor base(const at::Tensor& x, const at::Tensor& m0) const {
      return to.noise / from.noise * x - to.alpha * phi_1 * m0;
    }
    DpmPoint from;
    DpmPoint to;
    float h;
    float phi_1;
    float b;
  };

  Step step_between(size_t from, size_t to) const {
    return Step(sigmas_[from], sigmas_[to], config_.solver_type == "bh1");
  }

  // The position of an earlier point in units of the step.
  float relative_lambda(const Step& step, size_t index) const {
    return (DpmPoint(sigmas_[index]).lambda - step.from.lambda) / step.h;
  }

  bool corrector_runs_after(size_t index) const {
    return std::ranges::find(config_.disable_corrector, static_cast<int64_t>(index)) ==
           config_.disable_corrector.end();
  }

  at::Tensor predicted_x0(const at::Tensor& model_output, const at::Tensor& sample,
                          const DpmPoint& at) const {
    if (predicts("sample")) return model_output;
    if (predicts("epsilon")) return (sample - at.noise * model_output) / at.alpha;
    return at.alpha * sample - at.noise * model_output;
  }

  at::Tensor predict(const at::Tensor& sample, size_t index) const {
    const Step step = step_between(index, index + 1);
    const at::Tensor x = step.base(sample, x0_);
    if (last_order_ == 1) return x;
    // The weight of the one difference of order 2 is fixed to a half.
    const at::Tensor d1 = (previous_x0_ - x0_) / relative_lambda(step, index - 1);
    return x - step.to.alpha * step.b * (0.5f * d1);
  }

  at::Tensor correct(const at::Tensor& x0_now, size_t index) const {
    const Step step = step_between(index - 1, index);
    const at::Tensor difference = x0_now - x0_;
    at::Tensor weighted;
    if (last_order_ == 1) {
      weighted = 0.5f * difference;
    } else {
      // [[1, 1], [r, 1]] rho = b with b_i = h_phi_(i+1) i! / B.
      const float r = relative_lambda(step, index - 2);
      const float phi_2 = step.phi_1 / -step.h - 1;
      const float phi_3 = phi_2 / -step.h - 0.5f;
      const float b1 = phi_2 / step.b;
      const float b2 = phi_3 * 2 / step.b;
      const float rho_0 = (b1 - b2) / (1 - r);
      weighted = rho_0 * ((previous_x0_ - x0_) / r) + (b1 - rho_0) * difference;
    }
    return step.base(last_sample_, x0_) - step.to.alpha * step.b * weighted;
  }

  SigmaTable table_;
  at::Tensor x0_;           // clean prediction of the latest call
  at::Tensor previous_x0_;  // and of the one before
  at::Tensor last_sample_;  // corrected sample of the latest call
  int64_t last_order_ = 0;  // of its predictor
};

}  // namespace

std::unique_ptr<Scheduler> make_unipc(SchedulerConfig config) {
  return std::make_unique<UniPc>(std::move(config));
}

}  // namespace dorabooth
