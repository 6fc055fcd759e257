// Adafactor (Shazeer and Stern 2018): of a matrix's second moment only the means of rows and
// columns are kept. Follows transformers' class.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "src/base/error.h"
#include "src/optimizer/optimizer.h"

namespace dorabooth {

namespace {

double root_mean_square(const at::Tensor& values) {
  return values.norm(2).item<double>() / std::sqrt(static_cast<double>(values.numel()));
}

class Adafactor : public Optimizer {
 public:
  Adafactor(std::vector<ParameterGroup> groups, const AdafactorOptions& options)
      : Optimizer(std::move(groups)), options_(options) {
    if (!(options.clip_threshold > 0) || !(options.decay_rate < 0)) {
      fail("Adafactor wants a clip threshold above 0 and a decay rate below 0, got ",
           options.clip_threshold, " and ", options.decay_rate);
    }
    int64_t size = 0;
    for (const FlatParameters::Slot& slot : flat_.slots()) {
      begins_.push_back(size);
      const at::IntArrayRef sizes = slot.parameter.sizes();
      size += sizes.size() == 2 ? sizes[0] + sizes[1] : slot.parameter.numel();
    }
    moments_ = at::zeros({size}, flat_.values().options());
    steps_ = at::zeros({static_cast<int64_t>(flat_.slots().size())}, at::kLong);
  }

 protected:
  void update(double learning_rate_factor) override {
    for (size_t i = 0; i < flat_.slots().size(); ++i) {
      if (flat_.received(i)) update_parameter(i, learning_rate_factor);
    }
  }

  std::map<std::string, at::Tensor> buffers() const override {
    return {{"moments", moments_}, {"steps", steps_}};
  }

 private:
  void update_parameter(size_t i, double learning_rate_factor) {
    const FlatParameters::Slot& slot = flat_.slots()[i];
    const ParameterGroup& group = groups_[slot.group];
    const at::Tensor parameter = FlatParameters::part(flat_.values(), slot);
    const at::Tensor gradient = FlatParameters::part(flat_.gradients(), slot);
    const auto step = static_cast<double>(++steps_.mutable_data_ptr<int64_t>()[i]);
    double rate = options_.relative_step ? std::min(1e-2, 1 / std::sqrt(step))
                                         : group.learning_rate * learning_rate_factor;
    if (options_.scale_parameter) {
      rate *= std::max(options_.epsilon_parameter, root_mean_square(parameter));
    }
    const double beta2 = 1 - std::pow(step, options_.decay_rate);
    at::Tensor direction = scaled(i, gradient, beta2);
    direction.div_(std::max(1.0, root_mean_square(direction) / options_.clip_threshold));
    if (group.weight_decay != 0) parameter.add_(parameter, -group.weight_decay * rate);
    parameter.sub_(direction.mul_(rate));
  }

  // The gradient over the root of its second moment.
  at::Tensor scaled(size_t i, const at::Tensor& gradient, double beta2) {
    const at::Tensor square = gradient.square().add_(options_.epsilon_gradient);
    if (gradient.dim() != 2) {
      const at::Tensor moment =
          moments_.narrow(0, begins_[i], gradient.numel()).view(gradient.sizes());
      moment.mul_(beta2).add_(square, 1 - beta2);
      return moment.rsqrt().mul_(gradient);
    }
    const at::Tensor rows = moments_.narrow(0, begins_[i], gradient.size(0));
    const at::Tensor columns = moments_.narrow(0, begins_[i] + gradient.size(0), gradient.size(1));
    rows.mul_(beta2).add_(square.mean(/*dim=*/1), 1 - beta2);
    columns.mul_(beta2).add_(square.mean(/*dim=*/0), 1 - beta2);
    const at::Tensor row_factor = rows.div(rows.mean()).rsqrt_().unsqueeze(1);
    return row_factor.mul(columns.rsqrt().unsqueeze(0)).mul_(gradient);
  }

  AdafactorOptions options_;
  std::vector<int64_t> begins_;  // of every parameter in moments_
  at::Tensor moments_;           // a matrix's rows, then its columns; all of another's elements
  at::Tensor steps_;             // int64, by parameter
};

}  // namespace

std::unique_ptr<Optimizer> make_adafactor(std::vector<ParameterGroup> groups,
                                          const AdafactorOptions& options) {
  return std::make_unique<Adafactor>(std::move(groups), options);
}

}  // namespace dorabooth
