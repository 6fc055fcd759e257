// Streams: "<name>/offset_noise", "/input_perturbation", "/multires_noise" (values by iteration)
// and
// "/multires_scale".
#include "datasets/training_noise.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "src/base/error.h"

namespace dorabooth {

namespace {

at::Tensor normal(at::IntArrayRef sizes, const RandomStream& stream, int64_t step, uint32_t row) {
  at::Tensor values = at::empty(sizes, at::kFloat);
  stream.normal(static_cast<uint64_t>(step), row,
                std::span<float>(values.data_ptr<float>(), static_cast<size_t>(values.numel())));
  return values;
}

double uniform(const RandomStream& stream, int64_t step, uint32_t row) {
  float value = 0;
  stream.uniform(static_cast<uint64_t>(step), row, std::span<float>(&value, 1));
  return static_cast<double>(value);
}

at::Tensor multires_noise(const NoiseOptions& options, const at::Tensor& plain, uint64_t seed,
                          const std::string& stream, int64_t micro_step, uint32_t row) {
  const int64_t channels = plain.size(0);
  const int64_t height = plain.size(1);
  const int64_t width = plain.size(2);
  at::Tensor noise = plain;
  double weight = 1.0;
  double coarseness = 1.0;
  for (int64_t i = 0; i < options.multires_iterations; ++i) {
    const std::string level = stream + "/multires_noise/" + std::to_string(i);
    coarseness *= 2 + 2 * uniform(RandomStream(seed, level + "/scale"), micro_step, row);
    weight *= options.multires_discount;
    const auto coarse = [&](int64_t side) {
      return std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(side) / coarseness));
    };
    const int64_t h = coarse(height);
    const int64_t w = coarse(width);
    const at::Tensor small =
        normal({1, channels, h, w}, RandomStream(seed, level), micro_step, row);
    const at::Tensor large =
        at::upsample_bilinear2d(small, {height, width}, /*align_corners=*/false)[0];
    noise = noise + large * weight;
    if (h == 1 || w == 1) break;
  }
  return noise / noise.std();
}

}  // namespace

RowNoise training_noise(const NoiseOptions& options, const at::Tensor& plain, uint64_t seed,
                        const std::string& stream, int64_t micro_step, uint32_t row) {
  RowNoise noise{plain, plain};
  if (options.plain()) return noise;
  if (options.multires_iterations > 0) {
    noise.target = multires_noise(options, plain, seed, stream, micro_step, row);
  }
  if (options.offset != 0) {
    const RandomStream values(seed, stream + "/offset_noise");
    noise.target =
        noise.target + options.offset * normal({plain.size(0), 1, 1}, values, micro_step, row);
  }
  noise.input = noise.target;
  if (options.perturbation != 0) {
    const RandomStream values(seed, stream + "/input_perturbation");
    noise.input =
        noise.target + options.perturbation * normal(plain.sizes(), values, micro_step, row);
  }
  return noise;
}

TimestepDraws::TimestepDraws(const TimestepOptions& options, int64_t num_train_timesteps)
    : options_(options),
      first_(options.min_timestep),
      last_(std::min(options.max_timestep, num_train_timesteps)) {
  if (first_ >= last_) {
    fail("no timestep is left: min_timestep ", options.min_timestep, ", max_timestep ",
         options.max_timestep, ", and the schedule has ", num_train_timesteps);
  }
  if (options.bias_strategy == "none") return;
  const auto portion =
      static_cast<int64_t>(options.bias_portion * static_cast<double>(num_train_timesteps));
  int64_t begin = options.bias_begin;
  int64_t end = options.bias_end;
  if (options.bias_strategy == "earlier") {
    begin = 0;
    end = portion;
  } else if (options.bias_strategy == "later") {
    begin = num_train_timesteps - portion;
    end = num_train_timesteps;
  } else if (options.bias_strategy != "range") {
    fail("timestep_bias_strategy '", options.bias_strategy,
         "' is not one of none, earlier, later, range");
  }
  double sum = 0;
  for (int64_t t = first_; t < last_; ++t) {
    sum += t >= begin && t < end ? options.bias_multiplier : 1.0;
    cumulative_.push_back(sum);
  }
  if (!(sum > 0)) fail("timestep_bias_multiplier ", options.bias_multiplier, " leaves no timestep");
}

int64_t TimestepDraws::draw(const RandomStream& stream, int64_t micro_step, uint32_t row) const {
  const auto step = static_cast<uint64_t>(micro_step);
  if (options_.distribution == "logit_normal") {
    float value = 0;
    stream.normal(step, row, std::span<float>(&value, 1));
    const double logit = options_.logit_mean + options_.logit_std * static_cast<double>(value);
    const double share = 1 / (1 + std::exp(-logit));
    const auto offset = static_cast<int64_t>(share * static_cast<double>(last_ - first_));
    return std::min(first_ + offset, last_ - 1);
  }
  if (!cumulative_.empty()) {
    const double place = uniform(stream, micro_step, row) * cumulative_.back();
    const auto found = std::upper_bound(cumulative_.begin(), cumulative_.end(), place);
    return std::min(first_ + (found - cumulative_.begin()), last_ - 1);
  }
  return first_ + stream.integer(step, row, static_cast<uint32_t>(last_ - first_));
}

}  // namespace dorabooth
