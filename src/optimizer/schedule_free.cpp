// Schedule-free AdamW (Defazio et al. 2024): gradients are taken at y between the fast sequence z
// and its weighted average x, which is what is exported. The parameters hold y while training.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "src/base/error.h"
#include "src/optimizer/optimizer.h"

namespace dorabooth {

namespace {

// Indices into the table of scalars, which is part of the saved state: one row a group.
enum Scalar : int64_t { kSteps, kWeightSum, kLargestRate, kScalarCount };

class ScheduleFreeAdamW : public Optimizer {
 public:
  ScheduleFreeAdamW(std::vector<ParameterGroup> groups, const ScheduleFreeOptions& options)
      : Optimizer(std::move(groups)), options_(options) {
    if (!(options.beta1 > 0 && options.beta1 < 1) || !(options.beta2 >= 0 && options.beta2 < 1)) {
      fail("schedule-free AdamW wants beta1 in (0, 1) and beta2 in [0, 1), got ", options.beta1,
           " and ", options.beta2);
    }
    fast_ = flat_.zeros();
    average_ = flat_.zeros();
    exp_avg_sq_ = flat_.zeros();
    started_ = at::zeros({static_cast<int64_t>(flat_.slots().size())}, at::kLong);
    scalars_ = at::zeros({static_cast<int64_t>(groups_.size()), kScalarCount}, at::kDouble);
  }

  bool averages() const override { return true; }

  void use_average(bool in_use) override {
    if (in_use == average_in_use_) return;
    average_in_use_ = in_use;
    at::NoGradGuard no_grad;
    if (in_use) training_ = flat_.values().clone();
    for (size_t i = 0; i < flat_.slots().size(); ++i) {
      if (!started(i)) continue;
      const FlatParameters::Slot& slot = flat_.slots()[i];
      FlatParameters::part(flat_.values(), slot)
          .copy_(FlatParameters::part(in_use ? average_ : training_, slot));
    }
    if (!in_use) training_.reset();
  }

 protected:
  void update(double learning_rate_factor) override {
    if (average_in_use_) fail("schedule-free AdamW: a step while the average is in use");
    start();
    std::vector<char> counted(groups_.size(), 0);
    for (const Range& range : ranges()) {
      const ParameterGroup& group = groups_[range.group];
      const double rate = group.learning_rate * learning_rate_factor;
      double* scalars =
          scalars_.mutable_data_ptr<double>() + static_cast<int64_t>(range.group) * kScalarCount;
      if (!counted[range.group]) {
        counted[range.group] = 1;
        scalars[kSteps] += 1;
        scalars[kLargestRate] = std::max(scalars[kLargestRate], rate);
        scalars[kWeightSum] += scalars[kLargestRate] * scalars[kLargestRate];
      }
      const double weight = scalars[kLargestRate] * scalars[kLargestRate];
      const double share = scalars[kWeightSum] > 0 ? weight / scalars[kWeightSum] : 0.0;
      const double correction = 1 - std::pow(options_.beta2, scalars[kSteps]);
      const at::Tensor gradient = range.of(flat_.gradients());
      const at::Tensor y = range.of(flat_.values());
      const at::Tensor z = range.of(fast_);
      const at::Tensor x = range.of(average_);
      const at::Tensor square = range.of(exp_avg_sq_);
      if (group.weight_decay != 0) z.sub_(y, rate * group.weight_decay);
      square.mul_(options_.beta2).addcmul_(gradient, gradient, 1 - options_.beta2);
      z.addcdiv_(gradient, square.div(correction).sqrt_().add_(options_.epsilon), -rate);
      x.mul_(1 - share).add_(z, share);
      y.copy_(x).mul_(options_.beta1).add_(z, 1 - options_.beta1);
    }
  }

  void on_rescaled(const FlatParameters::Slot& slot, const at::Tensor& factor) override {
    for (const at::Tensor& buffer : {fast_, average_}) {
      FlatParameters::part(buffer, slot).mul_(factor);
    }
  }

  // All three sequences end where the average is.
  void on_settled(const FlatParameters::Slot& slot) override {
    if (!started(static_cast<size_t>(&slot - flat_.slots().data()))) return;
    const at::Tensor average = FlatParameters::part(average_, slot);
    for (const at::Tensor& buffer : {fast_, flat_.values()}) {
      FlatParameters::part(buffer, slot).copy_(average);
    }
  }

  std::map<std::string, at::Tensor> buffers() const override {
    return {{"fast", fast_},
            {"average", average_},
            {"exp_avg_sq", exp_avg_sq_},
            {"started", started_},
            {"scalars", scalars_}};
  }

 private:
  bool started(size_t slot) const { return started_.const_data_ptr<int64_t>()[slot] != 0; }

  // Both sequences begin where a parameter is at its first gradient.
  void start() {
    for (size_t i = 0; i < flat_.slots().size(); ++i) {
      if (started(i) || !flat_.received(i)) continue;
      const FlatParameters::Slot& slot = flat_.slots()[i];
      const at::Tensor value = FlatParameters::part(flat_.values(), slot);
      FlatParameters::part(fast_, slot).copy_(value);
      FlatParameters::part(average_, slot).copy_(value);
      started_.mutable_data_ptr<int64_t>()[i] = 1;
    }
  }

  ScheduleFreeOptions options_;
  at::Tensor fast_;     // z
  at::Tensor average_;  // x
  at::Tensor exp_avg_sq_;
  at::Tensor started_;   // int64, by parameter
  at::Tensor scalars_;   // double, [groups, kScalarCount]
  at::Tensor training_;  // y while the average is in the parameters
  bool average_in_use_ = false;
};

}  // namespace

std::unique_ptr<Optimizer> make_schedule_free_adamw(std::vector<ParameterGroup> groups,
                                                    const ScheduleFreeOptions& options) {
  return std::make_unique<ScheduleFreeAdamW>(std::move(groups), options);
}

}  // namespace dorabooth
