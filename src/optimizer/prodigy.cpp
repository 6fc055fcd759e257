// Prodigy (Mishchenko and Defazio 2024): Adam whose step size d is estimated from how far the
// parameters have moved along their gradients. Follows the authors' package prodigyopt, whose
// learning rates are shared by all groups.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "src/base/error.h"
#include "src/optimizer/optimizer.h"

namespace dorabooth {

namespace {

// Indices into the table of scalars, which is part of the saved state.
enum Scalar : size_t { kD, kDMax, kNumerator, kSteps, kScalarCount };

class Prodigy : public Optimizer {
 public:
  Prodigy(std::vector<ParameterGroup> groups, const ProdigyOptions& options)
      : Optimizer(std::move(groups)), options_(options) {
    const auto valid_beta = [](double beta) { return beta >= 0 && beta < 1; };
    if (!valid_beta(options.beta1) || !valid_beta(options.beta2) || !(options.d0 > 0)) {
      fail("Prodigy wants betas in [0, 1) and a d0 above 0, got ", options.beta1, ", ",
           options.beta2, " and ", options.d0);
    }
    for (const ParameterGroup& group : groups_) rate_ = std::max(rate_, group.learning_rate);
    for (const ParameterGroup& group : groups_) {
      if (group.learning_rate != rate_ && group.learning_rate != 0) {
        fail("Prodigy has one learning rate for all parameters: group ", group.name, " has ",
             group.learning_rate, ", another has ", rate_);
      }
    }
    start_ = flat_.zeros();
    exp_avg_ = flat_.zeros();
    exp_avg_sq_ = flat_.zeros();
    travelled_ = flat_.zeros();
    started_ = at::zeros({static_cast<int64_t>(flat_.slots().size())}, at::kLong);
    scalars_ = at::zeros({kScalarCount}, at::kDouble);
    scalar(kD) = options.d0;
    scalar(kDMax) = options.d0;
  }

  std::optional<double> adaptation() const override {
    return scalars_.const_data_ptr<double>()[kD];
  }

 protected:
  void update(double learning_rate_factor) override {
    const double k = scalar(kSteps);
    const double rate = rate_ * learning_rate_factor;
    const double d = scalar(kD);
    const double correction =
        options_.use_bias_correction
            ? std::sqrt(1 - std::pow(options_.beta2, k + 1)) / (1 - std::pow(options_.beta1, k + 1))
            : 1.0;
    const double step_size = d * rate * correction;
    const double beta3 = options_.beta3.value_or(std::sqrt(options_.beta2));
    double numerator = scalar(kNumerator) * beta3;
    double denominator = 0;
    for (size_t i = 0; i < flat_.slots().size(); ++i) {
      if (flat_.received(i)) accumulate(i, d, step_size, beta3, &numerator, &denominator);
    }
    if (denominator == 0) return;

    double next_d = d;
    if (rate > 0) {
      const double estimate = options_.d_coef * numerator / denominator;
      if (d == options_.d0) next_d = std::max(d, estimate);
      scalar(kDMax) = std::max(scalar(kDMax), estimate);
      const double limit = options_.growth_rate ? next_d * *options_.growth_rate
                                                : std::numeric_limits<double>::infinity();
      next_d = std::min(scalar(kDMax), limit);
    }
    scalar(kNumerator) = numerator;
    scalar(kD) = next_d;
    scalar(kSteps) = k + 1;
    for (size_t i = 0; i < flat_.slots().size(); ++i) {
      if (flat_.received(i)) move(i, next_d, step_size);
    }
  }

  std::map<std::string, at::Tensor> buffers() const override {
    return {{"start", start_},         {"exp_avg", exp_avg_}, {"exp_avg_sq", exp_avg_sq_},
            {"travelled", travelled_}, {"started", started_}, {"scalars", scalars_}};
  }

 private:
  double& scalar(Scalar which) { return scalars_.mutable_data_ptr<double>()[which]; }

  at::Tensor part(const at::Tensor& buffer, size_t slot) const {
    return FlatParameters::part(buffer, flat_.slots()[slot]);
  }

  // The moments of one parameter, and its shares of the estimate's numerator and denominator.
  void accumulate(size_t slot, double d, double step_size, double beta3, double* numerator,
                  double* denominator) {
    const ParameterGroup& group = groups_[flat_.slots()[slot].group];
    const at::Tensor parameter = part(flat_.values(), slot);
    const at::Tensor gradient = part(flat_.gradients(), slot);
    const at::Tensor start = part(start_, slot);
    if (group.weight_decay != 0 && !options_.decouple) {
      gradient.add_(parameter, group.weight_decay);
    }
    int64_t& started = started_.mutable_data_ptr<int64_t>()[slot];
    if (!started) {
      start.copy_(parameter);
      started = 1;
    }
    if (group.learning_rate == 0) return;
    const double ratio = d / options_.d0;
    *numerator += ratio * step_size *
                  at::dot(gradient.flatten(), (start - parameter).flatten()).item<double>();
    if (options_.beta1 > 0) {
      part(exp_avg_, slot).mul_(options_.beta1).add_(gradient, d * (1 - options_.beta1));
    }
    part(exp_avg_sq_, slot)
        .mul_(options_.beta2)
        .addcmul_(gradient, gradient, d * d * (1 - options_.beta2));
    const at::Tensor travelled = part(travelled_, slot);
    travelled.mul_(beta3).add_(gradient, ratio * (options_.safeguard_warmup ? d : step_size));
    *denominator += travelled.abs().sum().item<double>();
  }

  // The update of one parameter: the old d is in `step_size`, the new one beside epsilon.
  void move(size_t slot, double d, double step_size) {
    const ParameterGroup& group = groups_[flat_.slots()[slot].group];
    const at::Tensor parameter = part(flat_.values(), slot);
    const at::Tensor denominator = part(exp_avg_sq_, slot).sqrt().add_(d * options_.epsilon);
    if (group.weight_decay != 0 && options_.decouple) {
      parameter.add_(parameter, -group.weight_decay * step_size);
    }
    if (options_.beta1 > 0) {
      parameter.addcdiv_(part(exp_avg_, slot), denominator, -step_size);
    } else {
      parameter.addcdiv_(part(flat_.gradients(), slot), denominator, -step_size * d);
    }
  }

  ProdigyOptions options_;
  double rate_ = 0;
  at::Tensor start_;  // parameters at their first gradient
  at::Tensor exp_avg_;
  at::Tensor exp_avg_sq_;
  at::Tensor travelled_;  // the running sum S of the paper
  at::Tensor started_;    // int64, by parameter: 1 once it had a gradient
  at::Tensor scalars_;    // double, CPU
};

}  // namespace

std::unique_ptr<Optimizer> make_prodigy(std::vector<ParameterGroup> groups,
                                        const ProdigyOptions& options) {
  return std::make_unique<Prodigy>(std::move(groups), options);
}

}  // namespace dorabooth
