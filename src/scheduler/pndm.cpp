// Pseudo numerical methods (Liu et al. 2022): linear multistep calls (PLMS), optionally after three
// Runge-Kutta steps of four calls each; diffusers' PNDMScheduler.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <deque>

#include "src/base/error.h"
#include "src/scheduler/samplers.h"
#include "src/scheduler/timestep_spacing.h"

namespace dorabooth {

namespace {

constexpr size_t kOrder = 4;

class Pndm : public Scheduler {
 public:
  explicit Pndm(SchedulerConfig config) : Scheduler(std::move(config)) {
    require_prediction({"epsilon", "v_prediction"});
  }

 protected:
  void make_timesteps(int64_t n) override {
    const std::vector<double> steps = spaced_timesteps(config_, n, true);
    runge_kutta_calls_ = 0;
    if (config_.skip_prk_steps) {
      timesteps_ = steps;
      // The second call redoes the first step with the average of two outputs.
      if (n > 1) timesteps_.insert(timesteps_.begin() + 1, steps[1]);
      return;
    }
    if (steps.size() < kOrder) {
      fail("PNDM with Runge-Kutta steps (skip_prk_steps false) takes at least ", kOrder,
           " sampling steps, got ", n);
    }
    // Each of the first three steps: its timestep, twice the one half-way, the next step's.
    const double half = static_cast<double>(config_.num_train_timesteps / n / 2);
    for (size_t i = 0; i + 1 < kOrder; ++i) {
      const double middle = steps[i + 1] + half;
      timesteps_.insert(timesteps_.end(), {steps[i], middle, middle, steps[i + 1]});
    }
    runge_kutta_calls_ = timesteps_.size();
    timesteps_.insert(timesteps_.end(), steps.begin() + (kOrder - 1), steps.end());
  }

  void reset_history() override {
    outputs_.clear();
    sample_.reset();
    weighted_.reset();
  }

  at::Tensor advance(const at::Tensor& model_output, size_t index, const at::Tensor& sample,
                     NoiseSource&) override {
    return index < runge_kutta_calls_ ? runge_kutta_call(model_output, index, sample)
                                      : multistep_call(model_output, index, sample);
  }

 private:
  at::Tensor runge_kutta_call(const at::Tensor& output, size_t index, const at::Tensor& sample) {
    const size_t phase = index % 4;
    const int64_t half = config_.num_train_timesteps / steps_ / 2;
    const int64_t from = timestep(index - phase);
    const int64_t to = timestep(index) - (phase % 2 == 1 ? 0 : half);
    if (phase == 0) {
      weighted_ = output / 6.0;
      remember(output);
      sample_ = sample;
      return transfer(sample_, from, to, output);
    }
    if (phase < 3) {
      weighted_ = weighted_ + output / 3.0;
      return transfer(sample_, from, to, output);
    }
    return transfer(sample_, from, to, weighted_ + output / 6.0);
  }

  at::Tensor multistep_call(const at::Tensor& output, size_t index, const at::Tensor& sample) {
    const int64_t stride = config_.num_train_timesteps / steps_;
    if (index == 1) {
      const int64_t to = timestep(index);
      return transfer(sample_, to + stride, to, (output + outputs_[0]) / 2);
    }
    remember(output);
    const auto& o = outputs_;
    at::Tensor combined = output;
    if (o.size() == 1) {
      sample_ = sample;
    } else if (o.size() == 2) {
      combined = (3 * o[0] - o[1]) / 2;
    } else if (o.size() == 3) {
      combined = (23 * o[0] - 16 * o[1] + 5 * o[2]) / 12;
    } else {
      combined = (55 * o[0] - 59 * o[1] + 37 * o[2] - 9 * o[3]) * (1.0 / 24);
    }
    return transfer(sample, timestep(index), timestep(index) - stride, combined);
  }

  void remember(const at::Tensor& output) {
    outputs_.push_front(output);
    if (outputs_.size() > kOrder) outputs_.pop_back();
  }

  // Equation 11 of the paper.
  at::Tensor transfer(const at::Tensor& sample, int64_t from, int64_t to,
                      const at::Tensor& output) const {
    const float alpha = alpha_cumprod(from);
    const float first = config_.set_alpha_to_one ? 1.0f : alpha_cumprod(0);
    const float alpha_to = to >= 0 ? alpha_cumprod(to) : first;
    const at::Tensor epsilon = predicts("v_prediction")
                                   ? std::sqrt(alpha) * output + std::sqrt(1 - alpha) * sample
                                   : output;
    const float denominator =
        alpha * std::sqrt(1 - alpha_to) + std::sqrt(alpha * (1 - alpha) * alpha_to);
    return std::sqrt(alpha_to / alpha) * sample - (alpha_to - alpha) * epsilon / denominator;
  }

  size_t runge_kutta_calls_ = 0;
  std::deque<at::Tensor> outputs_;  // newest first
  at::Tensor sample_;               // where the step in progress started
  at::Tensor weighted_;             // weighted sum of a Runge-Kutta step's outputs
};

}  // namespace

std::unique_ptr<Scheduler> make_pndm(SchedulerConfig config) {
  return std::make_unique<Pndm>(std::move(config));
}

}  // namespace dorabooth
