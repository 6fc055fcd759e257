// What all samplers share, and the factory.
#include "src/scheduler/scheduler.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "src/base/error.h"
#include "src/scheduler/noise_schedule.h"
#include "src/scheduler/samplers.h"

namespace dorabooth {

namespace {

struct SchedulerName {
  const char* name;
  const char* class_name;
  const char* algorithm_type;  // "" leaves the config's
};

constexpr SchedulerName kNames[] = {
    {"ddim", "DDIMScheduler", ""},
    {"ddpm", "DDPMScheduler", ""},
    {"euler", "EulerDiscreteScheduler", ""},
    {"euler_a", "EulerAncestralDiscreteScheduler", ""},
    {"heun", "HeunDiscreteScheduler", ""},
    {"dpmpp_2m", "DPMSolverMultistepScheduler", "dpmsolver++"},
    {"dpmpp_2m_sde", "DPMSolverMultistepScheduler", "sde-dpmsolver++"},
    {"dpmpp_sde", "DPMSolverSinglestepScheduler", "sde-dpmsolver++"},
    {"unipc", "UniPCMultistepScheduler", ""},
    {"pndm", "PNDMScheduler", ""},
    {"lms", "LMSDiscreteScheduler", ""},
    {"lcm", "LCMScheduler", ""},
};

}  // namespace

Scheduler::Scheduler(SchedulerConfig config)
    : config_(std::move(config)), alphas_cumprod_(cumulative_alphas(make_betas(config_))) {
  if (config_.use_karras_sigmas && config_.use_exponential_sigmas) {
    fail("use_karras_sigmas and use_exponential_sigmas exclude each other");
  }
}

const std::vector<double>& Scheduler::set_timesteps(int64_t n) {
  if (n < 1 || n > config_.num_train_timesteps) {
    fail("the number of sampling steps must be between 1 and ", config_.num_train_timesteps,
         ", got ", n);
  }
  steps_ = n;
  next_index_ = 0;
  timesteps_.clear();
  sigmas_.clear();
  reset_history();
  make_timesteps(n);
  return timesteps_;
}

at::Tensor Scheduler::scale_model_input(const at::Tensor& sample, size_t) const { return sample; }

at::Tensor Scheduler::step(const at::Tensor& model_output, size_t index, const at::Tensor& sample,
                           NoiseSource& noise) {
  if (index == 0) {
    reset_history();
  } else if (index != next_index_) {
    fail("sampling steps are taken in order: step ", index, " came where ", next_index_,
         " was due");
  }
  if (index >= timesteps_.size()) {
    fail("there is no sampling step ", index, ": there are ", timesteps_.size());
  }
  next_index_ = index + 1;
  return advance(model_output, index, sample, noise);
}

at::Tensor Scheduler::draw(NoiseSource& noise, const at::Tensor& like, at::ScalarType dtype) {
  return noise.draw(like.sizes(), dtype).to(like.device());
}

float Scheduler::alpha_cumprod(int64_t timestep) const {
  if (timestep < 0 || timestep >= alphas_cumprod_.size(0)) {
    fail("timestep ", timestep, " lies outside of the noise schedule's ", alphas_cumprod_.size(0),
         " (", steps_, " steps with steps_offset ", config_.steps_offset, ")");
  }
  return alphas_cumprod_.const_data_ptr<float>()[timestep];
}

void Scheduler::require_prediction(const std::vector<std::string>& supported) const {
  if (std::ranges::find(supported, config_.prediction_type) != supported.end()) return;
  fail("prediction_type '", config_.prediction_type, "' is not supported by ", config_.class_name);
}

at::Tensor Scheduler::clipped(const at::Tensor& sample) const {
  if (!config_.clip_sample) return sample;
  return sample.clamp(-config_.clip_sample_range, config_.clip_sample_range);
}

double SigmaSpaceScheduler::init_noise_sigma() const {
  if (sigmas_.empty()) fail("init_noise_sigma is known only after set_timesteps");
  const float largest = *std::ranges::max_element(sigmas_);
  return config_.timestep_spacing == "leading" ? std::sqrt(largest * largest + 1.0f) : largest;
}

at::Tensor SigmaSpaceScheduler::scale_model_input(const at::Tensor& sample, size_t index) const {
  const float sigma = sigmas_.at(index);
  return sample / std::sqrt(sigma * sigma + 1.0f);
}

at::Tensor SigmaSpaceScheduler::predicted_x0(const at::Tensor& model_output,
                                             const at::Tensor& sample, float sigma) const {
  if (predicts("sample")) return model_output;
  if (predicts("epsilon")) return sample - sigma * model_output;
  const float variance = sigma * sigma + 1.0f;
  return model_output * (-sigma / std::sqrt(variance)) + sample / variance;
}

const std::vector<std::string>& scheduler_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> list;
    for (const SchedulerName& entry : kNames) list.emplace_back(entry.name);
    return list;
  }();
  return names;
}

std::string scheduler_class_of(const std::string& name, const SchedulerConfig& config) {
  if (name.empty()) {
    if (config.class_name.empty()) fail("the scheduler's config has no _class_name");
    return config.class_name;
  }
  for (const SchedulerName& entry : kNames) {
    if (name == entry.name) return entry.class_name;
  }
  const std::vector<std::string> classes = scheduler_class_names();
  if (std::ranges::find(classes, name) != classes.end()) return name;
  throw UsageError(
      concat("scheduler '", name, "' is not known", did_you_mean(name, scheduler_names())));
}

std::unique_ptr<Scheduler> make_scheduler(const std::string& name, const SchedulerConfig& config,
                                          const StepOptions& options) {
  const std::string kind = scheduler_class_of(name, config);
  SchedulerConfig resolved = config_for_class(config, kind);
  for (const SchedulerName& entry : kNames) {
    if (name == entry.name && *entry.algorithm_type) resolved.algorithm_type = entry.algorithm_type;
  }
  if (options.eta != 0 && kind != "DDIMScheduler") {
    fail("eta = ", options.eta, " has a meaning for ddim only, not for ", kind);
  }
  if (kind == "DDIMScheduler") return make_ddim(std::move(resolved), options.eta);
  if (kind == "DDPMScheduler") return make_ddpm(std::move(resolved));
  if (kind == "EulerDiscreteScheduler") return make_euler(std::move(resolved));
  if (kind == "EulerAncestralDiscreteScheduler") return make_euler_ancestral(std::move(resolved));
  if (kind == "HeunDiscreteScheduler") return make_heun(std::move(resolved));
  if (kind == "DPMSolverMultistepScheduler") return make_dpm_solver_multistep(std::move(resolved));
  if (kind == "DPMSolverSinglestepScheduler")
    return make_dpm_solver_singlestep(std::move(resolved));
  if (kind == "UniPCMultistepScheduler") return make_unipc(std::move(resolved));
  if (kind == "PNDMScheduler") return make_pndm(std::move(resolved));
  if (kind == "LMSDiscreteScheduler") return make_lms(std::move(resolved));
  return make_lcm(std::move(resolved));
}

}  // namespace dorabooth
