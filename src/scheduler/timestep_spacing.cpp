// Spacings of timesteps and sigmas, operation for operation as in diffusers and the NumPy it calls.
#include "src/scheduler/timestep_spacing.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "src/base/error.h"

namespace dorabooth {

namespace {

// count values from first to last, both included.
std::vector<double> linspace(double first, double last, int64_t count) {
  std::vector<double> values(static_cast<size_t>(count), first);
  if (count < 2) return values;
  const double step = (last - first) / static_cast<double>(count - 1);
  for (int64_t i = 0; i < count; ++i) {
    values[static_cast<size_t>(i)] = static_cast<double>(i) * step + first;
  }
  values.back() = last;
  return values;
}

double round_half_even(double value) { return std::nearbyint(value); }

// round(T - i T/n) - 1, with the products formed as NumPy's arange forms them. Where arange's
// length comes out as n + 1 by rounding, its last value would be timestep -1: there are always n
// here.
std::vector<double> trailing_timesteps(int64_t train_steps, int64_t n) {
  const double start = static_cast<double>(train_steps);
  const double delta = (start - start / static_cast<double>(n)) - start;
  std::vector<double> values;
  for (int64_t i = 0; i < n; ++i) {
    values.push_back(round_half_even(start + static_cast<double>(i) * delta) - 1);
  }
  return values;
}

// NumPy's float32 logarithm, which misses correct rounding in one value of five: fractional
// timesteps show the difference. Rational minimax approximation of log(1 + x) on
// [sqrt(1/2), sqrt(2)), all operations fused as there.
float vector_log(float value) {
  int exponent = 0;
  float x = std::frexp(value, &exponent);
  if (x <= 0.70710678f) {
    x += x;
    --exponent;
  }
  x -= 1.0f;
  float numerator = 2.589979117907922693523e-02f;
  for (const float coefficient :
       {3.808837741388407920751e-01f, 1.480000633576506585156e+00f, 2.112677543073053063722e+00f,
        9.999999999999998702752e-01f, 0.0f}) {
    numerator = std::fma(numerator, x, coefficient);
  }
  float denominator = 5.875095403124574342950e-03f;
  for (const float coefficient :
       {1.546476374983906719538e-01f, 9.864942958519418960339e-01f, 2.453006071784736363091e+00f,
        2.612677543073109236779e+00f, 1.0f}) {
    denominator = std::fma(denominator, x, coefficient);
  }
  return std::fma(static_cast<float>(exponent), 0.693147180559945309417f, numerator / denominator);
}

float final_sigma(const SchedulerConfig& config, double smallest) {
  return config.final_sigmas_type == "zero" ? 0.0f : static_cast<float>(smallest);
}

}  // namespace

std::vector<double> spaced_timesteps(const SchedulerConfig& config, int64_t n, bool integers) {
  const int64_t train_steps = config.num_train_timesteps;
  if (config.timestep_spacing == "trailing") return trailing_timesteps(train_steps, n);
  std::vector<double> values;
  if (config.timestep_spacing == "linspace") {
    values = linspace(0, static_cast<double>(train_steps - 1), n);
    for (double& value : values) {
      value = integers ? round_half_even(value) : static_cast<double>(static_cast<float>(value));
    }
  } else {
    const int64_t ratio = train_steps / n;
    for (int64_t i = 0; i < n; ++i) {
      values.push_back(static_cast<double>(i * ratio + config.steps_offset));
    }
  }
  std::ranges::reverse(values);
  return values;
}

std::vector<double> solver_timesteps(const SchedulerConfig& config, int64_t n) {
  const int64_t train_steps = config.num_train_timesteps;
  if (config.timestep_spacing == "trailing") return trailing_timesteps(train_steps, n);
  if (config.timestep_spacing == "linspace") return even_timesteps(train_steps - 1, n);
  const int64_t ratio = train_steps / (n + 1);
  std::vector<double> values;
  for (int64_t i = n; i > 0; --i) {
    values.push_back(static_cast<double>(i * ratio + config.steps_offset));
  }
  return values;
}

std::vector<double> even_timesteps(int64_t last, int64_t n) {
  std::vector<double> values = linspace(0, static_cast<double>(last), n + 1);
  std::ranges::reverse(values);
  values.pop_back();
  for (double& value : values) value = round_half_even(value);
  return values;
}

SigmaTable::SigmaTable(const at::Tensor& alphas_cumprod, bool zero_snr) {
  at::Tensor alphas = alphas_cumprod.clone();
  if (zero_snr) alphas[-1] = std::ldexp(1.0, -24);
  const at::Tensor sigmas = ((1 - alphas) / alphas).pow(0.5).contiguous();
  const float* first = sigmas.const_data_ptr<float>();
  sigmas_.assign(first, first + sigmas.numel());
  for (const float sigma : sigmas_) log_sigmas_.push_back(vector_log(sigma));
}

double SigmaTable::at(double timestep) const {
  const double last = static_cast<double>(sigmas_.size() - 1);
  if (timestep <= 0) return sigmas_.front();
  if (timestep >= last) return sigmas_.back();
  const size_t low = static_cast<size_t>(timestep);
  const double below = sigmas_[low];
  const double slope = static_cast<double>(sigmas_[low + 1]) - below;
  return slope * (timestep - static_cast<double>(low)) + below;
}

double SigmaTable::timestep_of(double sigma) const {
  const double log_sigma = std::log(std::max(sigma, 1e-10));
  size_t low = 0;
  for (size_t i = 0; i < log_sigmas_.size(); ++i) {
    if (log_sigma - static_cast<double>(log_sigmas_[i]) >= 0) low = i;
  }
  low = std::min(low, log_sigmas_.size() - 2);
  const float below = log_sigmas_[low];
  const float above = log_sigmas_[low + 1];
  const double weight = std::clamp(
      (static_cast<double>(below) - log_sigma) / static_cast<double>(below - above), 0.0, 1.0);
  return (1 - weight) * static_cast<double>(low) + weight * static_cast<double>(low + 1);
}

std::vector<double> karras_sigmas(const SchedulerConfig& config, double smallest, double largest,
                                  int64_t n) {
  constexpr double kRho = 7.0;
  const double low = std::pow(config.sigma_min.value_or(smallest), 1 / kRho);
  const double high = std::pow(config.sigma_max.value_or(largest), 1 / kRho);
  std::vector<double> values = linspace(0, 1, n);
  for (double& value : values) value = std::pow(high + value * (low - high), kRho);
  return values;
}

std::vector<double> exponential_sigmas(const SchedulerConfig& config, double smallest,
                                       double largest, int64_t n) {
  std::vector<double> values = linspace(std::log(config.sigma_max.value_or(largest)),
                                        std::log(config.sigma_min.value_or(smallest)), n);
  for (double& value : values) value = std::exp(value);
  return values;
}

void make_sigma_space_schedule(const SchedulerConfig& config, const SigmaTable& table, int64_t n,
                               std::vector<double>* timesteps, std::vector<float>* sigmas) {
  *timesteps = spaced_timesteps(config, n, false);
  std::vector<double> values;
  for (const double timestep : *timesteps) values.push_back(table.at(timestep));
  if (config.use_karras_sigmas || config.use_exponential_sigmas) {
    const auto respace = config.use_karras_sigmas ? karras_sigmas : exponential_sigmas;
    values = respace(config, values.back(), values.front(), n);
    for (size_t i = 0; i < values.size(); ++i) {
      (*timesteps)[i] = static_cast<float>(table.timestep_of(values[i]));
    }
  }
  sigmas->assign(values.begin(), values.end());
  sigmas->push_back(final_sigma(config, table.smallest()));
}

void make_solver_schedule(const SchedulerConfig& config, const SigmaTable& table, int64_t n,
                          const std::vector<double>& spaced, const SolverScheduleRule& rule,
                          std::vector<double>* timesteps, std::vector<float>* sigmas) {
  *timesteps = spaced;
  std::vector<double> values;
  double smallest = table.smallest();
  if (config.use_karras_sigmas || config.use_exponential_sigmas) {
    const bool karras = config.use_karras_sigmas;
    values =
        (karras ? karras_sigmas : exponential_sigmas)(config, table.smallest(), table.largest(), n);
    for (size_t i = 0; i < values.size(); ++i) {
      const double timestep = table.timestep_of(values[i]);
      (*timesteps)[i] =
          karras && !rule.truncate_karras ? round_half_even(timestep) : std::trunc(timestep);
    }
    if (rule.final_is_last_spaced) smallest = values.back();
  } else {
    for (const double timestep : *timesteps) values.push_back(table.at(timestep));
  }
  sigmas->assign(values.begin(), values.end());
  sigmas->push_back(final_sigma(config, smallest));
}

}  // namespace dorabooth
