// Lion (Chen et al. 2023, algorithm 2): the sign of an interpolated momentum, with decoupled weight
// decay.
#include <ATen/ATen.h>

#include "src/base/error.h"
#include "src/optimizer/optimizer.h"

namespace dorabooth {

namespace {

class Lion : public Optimizer {
 public:
  Lion(std::vector<ParameterGroup> groups, const LionOptions& options)
      : Optimizer(std::move(groups)), options_(options) {
    const auto valid_beta = [](double beta) { return beta >= 0 && beta < 1; };
    if (!valid_beta(options.beta1) || !valid_beta(options.beta2)) {
      fail("Lion wants betas in [0, 1), got ", options.beta1, " and ", options.beta2);
    }
    exp_avg_ = flat_.zeros();
  }

 protected:
  void update(double learning_rate_factor) override {
    for (const Range& range : ranges()) {
      const ParameterGroup& group = groups_[range.group];
      const double rate = group.learning_rate * learning_rate_factor;
      const at::Tensor parameter = range.of(flat_.values());
      const at::Tensor gradient = range.of(flat_.gradients());
      const at::Tensor exp_avg = range.of(exp_avg_);
      parameter.mul_(1 - rate * group.weight_decay);
      const at::Tensor direction =
          exp_avg.mul(options_.beta1).add_(gradient, 1 - options_.beta1).sign_();
      parameter.add_(direction, -rate);
      exp_avg.mul_(options_.beta2).add_(gradient, 1 - options_.beta2);
    }
  }

  std::map<std::string, at::Tensor> buffers() const override { return {{"exp_avg", exp_avg_}}; }

 private:
  LionOptions options_;
  at::Tensor exp_avg_;
};

}  // namespace

std::unique_ptr<Optimizer> make_lion(std::vector<ParameterGroup> groups,
                                     const LionOptions& options) {
  return std::make_unique<Lion>(std::move(groups), options);
}

}  // namespace dorabooth
