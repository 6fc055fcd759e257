// AdamW with its moments in 8 bits (Dettmers et al. 2022): blocks of 256 values share their largest
// absolute value and a code that is dense near zero, as bitsandbytes has it. Parameters of fewer
// than 4096 elements, magnitudes among them, keep fp32 moments.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "src/base/error.h"
#include "src/optimizer/optimizer.h"

namespace dorabooth {

namespace {

constexpr int64_t kBlock = 256;
constexpr int64_t kSmallest = 4096;  // elements of a parameter whose moments are quantised

int64_t blocks_of(int64_t count) { return (count + kBlock - 1) / kBlock; }

// The dynamic code: seven exponents of ten, each with twice the fractions of the one below, with a
// sign or without; and 0 and 1. Sorted, 256 values.
at::Tensor dynamic_code(bool has_sign) {
  std::vector<float> code = {0.0f, 1.0f};
  for (int exponent = 0; exponent < 7; ++exponent) {
    const int64_t fractions = int64_t{1} << (has_sign ? exponent : exponent + 1);
    const at::Tensor bounds = at::linspace(0.1, 1.0, fractions + 1, at::kFloat);
    const auto scale = static_cast<float>(std::pow(10.0, exponent - 6));
    for (int64_t i = 0; i < fractions; ++i) {
      const float value = scale * ((bounds[i] + bounds[i + 1]) / 2).item<float>();
      code.push_back(value);
      if (has_sign) code.push_back(-value);
    }
  }
  std::sort(code.begin(), code.end());
  return at::tensor(code);
}

// One moment of all parameters: those of large ones as indices into the code with a scale a block.
class Moment {
 public:
  Moment(const FlatParameters& flat, bool has_sign)
      : code_(dynamic_code(has_sign).to(flat.values().device())),
        bounds_((code_.slice(0, 1) + code_.slice(0, 0, 255)) / 2) {
    int64_t large = 0;
    int64_t small = 0;
    for (const FlatParameters::Slot& slot : flat.slots()) {
      const int64_t count = slot.parameter.numel();
      const bool is_large = count >= kSmallest;
      places_.push_back({is_large, is_large ? large : small, count});
      (is_large ? large : small) += is_large ? blocks_of(count) : count;
    }
    const at::TensorOptions options = flat.values().options();
    const int64_t zero = at::bucketize(at::zeros({1}), bounds_.cpu()).item<int64_t>();
    indices_ = at::full({large * kBlock}, zero, options.dtype(at::kByte));
    scales_ = at::zeros({large}, options);
    plain_ = at::zeros({small}, options);
  }

  // fp32, flat.
  at::Tensor load(size_t slot) const {
    const Place& place = places_[slot];
    if (!place.is_large) return plain_.narrow(0, place.begin, place.count).clone();
    const int64_t blocks = blocks_of(place.count);
    const at::Tensor indices =
        indices_.narrow(0, place.begin * kBlock, blocks * kBlock).to(at::kInt);
    const at::Tensor values = code_.index_select(0, indices).view({blocks, kBlock});
    const at::Tensor scaled = values * scales_.narrow(0, place.begin, blocks).unsqueeze(1);
    return scaled.flatten().narrow(0, 0, place.count);
  }

  void store(size_t slot, const at::Tensor& values) const {
    const Place& place = places_[slot];
    if (!place.is_large) {
      plain_.narrow(0, place.begin, place.count).copy_(values);
      return;
    }
    const int64_t blocks = blocks_of(place.count);
    const at::Tensor rows =
        at::constant_pad_nd(values, {0, blocks * kBlock - place.count}).view({blocks, kBlock});
    const at::Tensor scales = rows.abs().amax(/*dim=*/1);
    const at::Tensor shares = rows / at::where(scales > 0, scales, 1.0).unsqueeze(1);
    scales_.narrow(0, place.begin, blocks).copy_(scales);
    indices_.narrow(0, place.begin * kBlock, blocks * kBlock)
        .copy_(at::bucketize(shares.flatten(), bounds_, /*out_int32=*/true));
  }

  void add_to(std::map<std::string, at::Tensor>* buffers, const std::string& name) const {
    (*buffers)[name + "_indices"] = indices_;
    (*buffers)[name + "_scales"] = scales_;
    (*buffers)[name] = plain_;
  }

 private:
  struct Place {
    bool is_large = false;
    int64_t begin = 0;  // a block, or an element of plain_
    int64_t count = 0;
  };

  at::Tensor code_;    // [256]
  at::Tensor bounds_;  // [255], half way between neighbours
  std::vector<Place> places_;
  at::Tensor indices_;
  at::Tensor scales_;
  at::Tensor plain_;
};

class AdamW8Bit : public Optimizer {
 public:
  AdamW8Bit(std::vector<ParameterGroup> groups, const AdamWOptions& options)
      : Optimizer(std::move(groups)),
        options_(options),
        exp_avg_(flat_, /*has_sign=*/true),
        exp_avg_sq_(flat_, /*has_sign=*/false) {
    const auto valid_beta = [](double beta) { return beta >= 0 && beta < 1; };
    if (!valid_beta(options.beta1) || !valid_beta(options.beta2) || !(options.epsilon >= 0)) {
      fail("8-bit AdamW wants betas in [0, 1) and an epsilon of at least 0, got ", options.beta1,
           ", ", options.beta2, " and ", options.epsilon);
    }
    steps_ = at::zeros({static_cast<int64_t>(flat_.slots().size())}, at::kLong);
  }

 protected:
  void update(double learning_rate_factor) override {
    for (size_t i = 0; i < flat_.slots().size(); ++i) {
      if (!flat_.received(i)) continue;
      const FlatParameters::Slot& slot = flat_.slots()[i];
      const ParameterGroup& group = groups_[slot.group];
      const double rate = group.learning_rate * learning_rate_factor;
      const auto step = static_cast<double>(++steps_.mutable_data_ptr<int64_t>()[i]);
      const at::Tensor parameter = flat_.values().slice(0, slot.begin, slot.end);
      const at::Tensor gradient = flat_.gradients().slice(0, slot.begin, slot.end);
      const at::Tensor exp_avg =
          exp_avg_.load(i).mul_(options_.beta1).add_(gradient, 1 - options_.beta1);
      const at::Tensor exp_avg_sq =
          exp_avg_sq_.load(i).mul_(options_.beta2).addcmul_(gradient, gradient, 1 - options_.beta2);
      // The update takes the moments before they are rounded.
      const double root = std::sqrt(1 - std::pow(options_.beta2, step));
      const at::Tensor denominator = exp_avg_sq.sqrt().div_(root).add_(options_.epsilon);
      parameter.mul_(1 - rate * group.weight_decay);
      parameter.addcdiv_(exp_avg, denominator, -rate / (1 - std::pow(options_.beta1, step)));
      exp_avg_.store(i, exp_avg);
      exp_avg_sq_.store(i, exp_avg_sq);
    }
  }

  std::map<std::string, at::Tensor> buffers() const override {
    std::map<std::string, at::Tensor> result = {{"steps", steps_}};
    exp_avg_.add_to(&result, "exp_avg");
    exp_avg_sq_.add_to(&result, "exp_avg_sq");
    return result;
  }

 private:
  AdamWOptions options_;
  Moment exp_avg_;
  Moment exp_avg_sq_;
  at::Tensor steps_;  // int64, by parameter: how many updates it had
};

}  // namespace

std::unique_ptr<Optimizer> make_adamw_8bit(std::vector<ParameterGroup> groups,
                                           const AdamWOptions& options) {
  return std::make_unique<AdamW8Bit>(std::move(groups), options);
}

}  // namespace dorabooth
