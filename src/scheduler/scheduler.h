// The sampler interface: timesteps for n steps, then one step call for each of them, in order.
// Scalars are float32 like the reference's 0-dimensional tensors; arithmetic on the sample runs on
// its device with diffusers' dtype rules (some samplers compute in float32 and round at the end).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "src/scheduler/sampling_noise.h"
#include "src/scheduler/scheduler_config.h"

namespace dorabooth {

// Arguments of diffusers' step() that are not part of a scheduler's config.
struct StepOptions {
  double eta = 0;  // DDIM: 0 is deterministic, 1 has DDPM's variance
};

class Scheduler {
 public:
  virtual ~Scheduler() = default;

  // The settings as this sampler's class sees them.
  const SchedulerConfig& config() const { return config_; }

  // Prepares n steps, forgetting everything of an earlier picture. The result has an element for
  // each call of the model (more than n for Heun and PNDM); fractional where the sampler makes it
  // so.
  const std::vector<double>& set_timesteps(int64_t n);
  const std::vector<double>& timesteps() const { return timesteps_; }
  // One more than the steps, with the final one; empty for samplers that have none.
  const std::vector<float>& sigmas() const { return sigmas_; }

  // What unit noise is multiplied by to start; valid after set_timesteps.
  virtual double init_noise_sigma() const { return 1.0; }
  // The model's input at step `index`.
  virtual at::Tensor scale_model_input(const at::Tensor& sample, size_t index) const;
  // The sample after step `index`. Steps are taken in order from 0, which starts a new picture.
  at::Tensor step(const at::Tensor& model_output, size_t index, const at::Tensor& sample,
                  NoiseSource& noise);

 protected:
  explicit Scheduler(SchedulerConfig config);

  // Fills timesteps_ and, where there are any, sigmas_.
  virtual void make_timesteps(int64_t n) = 0;
  virtual void reset_history() {}
  virtual at::Tensor advance(const at::Tensor& model_output, size_t index, const at::Tensor& sample,
                             NoiseSource& noise) = 0;

  // A draw of `like`'s shape on its device.
  static at::Tensor draw(NoiseSource& noise, const at::Tensor& like, at::ScalarType dtype);
  // alphas_cumprod at a timestep; throws outside of the table.
  float alpha_cumprod(int64_t timestep) const;
  int64_t timestep(size_t index) const { return static_cast<int64_t>(timesteps_[index]); }
  // Throws unless the config's prediction_type is one of these.
  void require_prediction(const std::vector<std::string>& supported) const;
  bool predicts(const char* type) const { return config_.prediction_type == type; }
  // Clamps a predicted clean sample where the config asks for it.
  at::Tensor clipped(const at::Tensor& sample) const;

  SchedulerConfig config_;
  at::Tensor alphas_cumprod_;  // float32 [num_train_timesteps], CPU
  int64_t steps_ = 0;          // the n of set_timesteps
  std::vector<double> timesteps_;
  std::vector<float> sigmas_;

 private:
  size_t next_index_ = 0;
};

// A sampler of the Euler family works in the space x0 + sigma * noise.
class SigmaSpaceScheduler : public Scheduler {
 public:
  double init_noise_sigma() const override;
  at::Tensor scale_model_input(const at::Tensor& sample, size_t index) const override;

 protected:
  using Scheduler::Scheduler;
  // The clean sample predicted at `sigma`.
  at::Tensor predicted_x0(const at::Tensor& model_output, const at::Tensor& sample,
                          float sigma) const;
};

// `name`: ddim, ddpm, euler, euler_a, heun, dpmpp_2m, dpmpp_2m_sde, dpmpp_sde, unipc, pndm, lms,
// lcm; or a diffusers class name; or "" for the config's own class.
std::unique_ptr<Scheduler> make_scheduler(const std::string& name, const SchedulerConfig& config,
                                          const StepOptions& options = {});

// The names of --scheduler.
const std::vector<std::string>& scheduler_names();
// The diffusers class that make_scheduler takes for a name.
std::string scheduler_class_of(const std::string& name, const SchedulerConfig& config);

}  // namespace dorabooth
