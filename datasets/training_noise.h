// The noise and the timesteps of training beyond the plain ones: each draw a pure function of
// (seed, micro-step, row) as in batch_source.h.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "src/base/random_stream.h"

namespace dorabooth {

struct NoiseOptions {
  // One more normal value a channel times this: the mean colour can move (Guttenberg 2023).
  double offset = 0.0;
  // Normal noise times this on top of the noise that the sample gets, not of the target (Ning et
  // al. 2023).
  double perturbation = 0.0;
  // Noise at coarser resolutions, each two to four times coarser than the last, weighted by powers
  // of the discount; the sum is scaled back to a variance of 1 (Whitaker 2023).
  int64_t multires_iterations = 0;
  double multires_discount = 0.3;

  bool plain() const { return offset == 0 && perturbation == 0 && multires_iterations == 0; }
};

struct RowNoise {
  at::Tensor target;  // [channels, h, w]: what epsilon prediction learns
  at::Tensor input;   // what the sample gets; the same tensor without perturbation
};

// `plain` [channels, h, w] is the row's standard normal noise.
RowNoise training_noise(const NoiseOptions& options, const at::Tensor& plain, uint64_t seed,
                        const std::string& stream, int64_t micro_step, uint32_t row);

struct TimestepOptions {
  std::string distribution = "uniform";  // or logit_normal: sigmoid(N(mean, std))·T (Esser et al.)
  double logit_mean = 0.0;
  double logit_std = 1.0;
  int64_t min_timestep = 0;     // inclusive
  int64_t max_timestep = 1000;  // exclusive; the schedule's length if that is less
  // Some timesteps `multiplier` times as often (diffusers' timestep_bias_strategy): the `portion`
  // that is earlier or later, or the range [begin, end).
  std::string bias_strategy = "none";  // none, earlier, later or range
  double bias_multiplier = 1.0;
  int64_t bias_begin = 0;
  int64_t bias_end = 1000;
  double bias_portion = 0.25;
};

class TimestepDraws {
 public:
  // Throws if no timestep of a schedule of this length is left.
  TimestepDraws(const TimestepOptions& options, int64_t num_train_timesteps);

  int64_t draw(const RandomStream& stream, int64_t micro_step, uint32_t row) const;

 private:
  TimestepOptions options_;
  int64_t first_;
  int64_t last_;
  std::vector<double> cumulative_;  // of the weights of [first_, last_); empty: all are alike
};

}  // namespace dorabooth
