// AdamW (Loshchilov and Hutter 2019) as torch.optim.AdamW, over the adapter core's flat update.
#include <ATen/ATen.h>

#include "src/base/error.h"
#include "src/device/adapter_core_choice.h"
#include "src/optimizer/optimizer.h"

namespace dorabooth {

namespace {

class AdamW : public Optimizer {
 public:
  AdamW(std::vector<ParameterGroup> groups, const AdamWOptions& options)
      : Optimizer(std::move(groups)), options_(options) {
    const auto valid_beta = [](double beta) { return beta >= 0 && beta < 1; };
    if (!valid_beta(options.beta1) || !valid_beta(options.beta2) || !(options.epsilon >= 0)) {
      fail("AdamW wants betas in [0, 1) and an epsilon of at least 0, got ", options.beta1, ", ",
           options.beta2, " and ", options.epsilon);
    }
    exp_avg_ = flat_.zeros();
    exp_avg_sq_ = flat_.zeros();
    steps_ = at::zeros({static_cast<int64_t>(flat_.slots().size())}, at::kLong);
  }

 protected:
  void update(double learning_rate_factor) override {
    std::vector<AdamWSegment> segments;
    int64_t* steps = steps_.mutable_data_ptr<int64_t>();
    for (size_t i = 0; i < flat_.slots().size(); ++i) {
      if (!flat_.received(i)) continue;
      const FlatParameters::Slot& slot = flat_.slots()[i];
      const ParameterGroup& group = groups_[slot.group];
      AdamWSegment segment;
      segment.begin = slot.begin;
      segment.end = slot.end;
      segment.step = ++steps[i];
      segment.learning_rate = group.learning_rate * learning_rate_factor;
      segment.weight_decay = group.weight_decay;
      segments.push_back(segment);
    }
    merge_neighbours(&segments);
    const c10::Device device = flat_.values().device();
    AdamWArgs args;
    args.on = execution_on(device);
    args.parameter = flat_.values().mutable_data_ptr<float>();
    args.gradient = flat_.gradients().const_data_ptr<float>();
    args.exp_avg = exp_avg_.mutable_data_ptr<float>();
    args.exp_avg_sq = exp_avg_sq_.mutable_data_ptr<float>();
    args.segments = segments.data();
    args.segment_count = static_cast<int64_t>(segments.size());
    args.beta1 = options_.beta1;
    args.beta2 = options_.beta2;
    args.epsilon = options_.epsilon;
    adapter_core(device).adamw(args);
  }

  std::map<std::string, at::Tensor> buffers() const override {
    return {{"exp_avg", exp_avg_}, {"exp_avg_sq", exp_avg_sq_}, {"steps", steps_}};
  }

 private:
  // Neighbours that share all values become one pass; the zeros between them stay zeros.
  static void merge_neighbours(std::vector<AdamWSegment>* segments) {
    std::vector<AdamWSegment> merged;
    for (const AdamWSegment& next : *segments) {
      const bool joins = !merged.empty() && next.begin - merged.back().end < 4 &&
                         merged.back().step == next.step &&
                         merged.back().learning_rate == next.learning_rate &&
                         merged.back().weight_decay == next.weight_decay;
      if (joins) {
        merged.back().end = next.end;
      } else {
        merged.push_back(next);
      }
    }
    *segments = std::move(merged);
  }

  AdamWOptions options_;
  at::Tensor exp_avg_;
  at::Tensor exp_avg_sq_;
  at::Tensor steps_;  // int64, by parameter: how many updates it had
};

}  // namespace

std::unique_ptr<Optimizer> make_adamw(std::vector<ParameterGroup> groups,
                                      const AdamWOptions& options) {
  return std::make_unique<AdamW>(std::move(groups), options);
}

}  // namespace dorabooth
