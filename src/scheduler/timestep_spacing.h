// Which timesteps and sigmas a short run visits: spacings, interpolation in the table of all
// sigmas, and the spacings of Karras et al. 2022 in sigma. Double precision where the reference has
// it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "src/scheduler/scheduler_config.h"

namespace dorabooth {

// DDIM, DDPM, the Euler family, LMS, PNDM; descending. Linspace is rounded to integers or, for
// samplers that interpolate, to float32.
std::vector<double> spaced_timesteps(const SchedulerConfig& config, int64_t n, bool integers);
// DPM-Solver++ multistep and UniPC: leading and linspace leave out the end of n + 1 steps.
std::vector<double> solver_timesteps(const SchedulerConfig& config, int64_t n);
// round(linspace(0, last, n + 1)) descending, without the 0.
std::vector<double> even_timesteps(int64_t last, int64_t n);

// The sigmas of all training timesteps, sqrt((1 - ac) / ac), and lookups in them.
class SigmaTable {
 public:
  // With `zero_snr` the last alpha is 2^-24 instead of 0, so that its sigma is finite.
  SigmaTable(const at::Tensor& alphas_cumprod, bool zero_snr);

  double smallest() const { return sigmas_.front(); }
  double largest() const { return sigmas_.back(); }
  // Linear interpolation; ends are held.
  double at(double timestep) const;
  // The fractional timestep of a sigma: interpolation in log sigma.
  double timestep_of(double sigma) const;

 private:
  std::vector<float> sigmas_;
  std::vector<float> log_sigmas_;
};

// n sigmas from largest to smallest, replaced by the config's sigma_max and sigma_min if it has
// them.
std::vector<double> karras_sigmas(const SchedulerConfig& config, double smallest, double largest,
                                  int64_t n);
std::vector<double> exponential_sigmas(const SchedulerConfig& config, double smallest,
                                       double largest, int64_t n);

// The Euler family's tables: fills both, sigmas with the final one. Timesteps are float32 values.
void make_sigma_space_schedule(const SchedulerConfig& config, const SigmaTable& table, int64_t n,
                               std::vector<double>* timesteps, std::vector<float>* sigmas);

// The tables of DPM-Solver++ and UniPC, from timesteps of the config's spacing: Karras and
// exponential sigmas span the whole table and give timesteps of their own. Timesteps are integers.
struct SolverScheduleRule {
  bool truncate_karras = false;       // do not round Karras timesteps before truncation
  bool final_is_last_spaced = false;  // final_sigmas_type sigma_min repeats the last Karras sigma
};
void make_solver_schedule(const SchedulerConfig& config, const SigmaTable& table, int64_t n,
                          const std::vector<double>& spaced, const SolverScheduleRule& rule,
                          std::vector<double>* timesteps, std::vector<float>* sigmas);

}  // namespace dorabooth
