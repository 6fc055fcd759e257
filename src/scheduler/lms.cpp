// Linear multistep method of order 4 in sigma; diffusers' LMSDiscreteScheduler. Coefficients are
// the integrals of the Lagrange polynomials over the last sigmas from sigma to the next sigma.
#include <ATen/ATen.h>

#include <cmath>
#include <deque>

#include "src/scheduler/samplers.h"
#include "src/scheduler/timestep_spacing.h"

namespace dorabooth {

namespace {

constexpr size_t kMultistepOrder = 4;

// Lagrange polynomials over up to four points have degree 3: two Gauss points are exact.
double lagrange_integral(const std::vector<double>& points, size_t which, double from, double to) {
  const double middle = (from + to) / 2;
  const double half = (to - from) / 2;
  double sum = 0;
  for (const double node : {-1 / std::sqrt(3.0), 1 / std::sqrt(3.0)}) {
    const double x = middle + half * node;
    double product = 1;
    for (size_t k = 0; k < points.size(); ++k) {
      if (k != which) product *= (x - points[k]) / (points[which] - points[k]);
    }
    sum += product;
  }
  return sum * half;
}

class Lms : public SigmaSpaceScheduler {
 public:
  explicit Lms(SchedulerConfig config)
      : SigmaSpaceScheduler(std::move(config)), table_(alphas_cumprod_, false) {}

 protected:
  void make_timesteps(int64_t n) override {
    make_sigma_space_schedule(config_, table_, n, &timesteps_, &sigmas_);
  }

  void reset_history() override { derivatives_.clear(); }

  at::Tensor advance(const at::Tensor& model_output, size_t index, const at::Tensor& sample,
                     NoiseSource&) override {
    const float sigma = sigmas_[index];
    derivatives_.push_front((sample - predicted_x0(model_output, sample, sigma)) / sigma);
    if (derivatives_.size() > kMultistepOrder) derivatives_.pop_back();

    std::vector<double> points;
    for (size_t k = 0; k < derivatives_.size(); ++k) points.push_back(sigmas_[index - k]);
    at::Tensor sum = lagrange_integral(points, 0, sigma, sigmas_[index + 1]) * derivatives_[0];
    for (size_t k = 1; k < points.size(); ++k) {
      sum = sum + lagrange_integral(points, k, sigma, sigmas_[index + 1]) * derivatives_[k];
    }
    return sample + sum;
  }

 private:
  SigmaTable table_;
  std::deque<at::Tensor> derivatives_;  // newest first
};

}  // namespace

std::unique_ptr<Scheduler> make_lms(SchedulerConfig config) {
  return std::make_unique<Lms>(std::move(config));
}

}  // namespace dorabooth
