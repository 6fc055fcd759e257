// A sampler's settings: the union of the keys of diffusers' scheduler classes, parsed from
// scheduler_config.json. Classes differ in their defaults and in the keys they know, so the struct
// remembers which keys were given; config_for_class() applies diffusers' from_config rule.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "src/config/field_list.h"

namespace dorabooth {

struct SchedulerConfig {
  std::string class_name;          // diffusers' `_class_name`; "" if the file has none
  std::vector<std::string> given;  // keys that were set

  int64_t num_train_timesteps = 1000;
  double beta_start = 0.0001;
  double beta_end = 0.02;
  std::string beta_schedule = "linear";
  std::optional<std::vector<double>> trained_betas;
  std::string prediction_type = "epsilon";
  std::string timestep_spacing = "linspace";
  int64_t steps_offset = 0;
  bool rescale_betas_zero_snr = false;
  bool clip_sample = false;
  double clip_sample_range = 1.0;
  bool set_alpha_to_one = true;
  bool skip_prk_steps = false;
  std::optional<std::string> variance_type;
  bool use_karras_sigmas = false;
  bool use_exponential_sigmas = false;
  std::optional<double> sigma_min;
  std::optional<double> sigma_max;
  std::string final_sigmas_type = "zero";
  std::string algorithm_type = "dpmsolver++";
  int64_t solver_order = 2;
  std::string solver_type = "midpoint";
  bool lower_order_final = true;
  bool euler_at_final = false;
  std::vector<int64_t> disable_corrector;
  int64_t original_inference_steps = 50;
  double timestep_scaling = 10.0;
};

const FieldList<SchedulerConfig>& scheduler_fields();

// Parses a scheduler_config.json. A key with a value that no sampler here computes is an error that
// names it. `text` may hold the bare -Infinity that Python writes; as a JSON value that is "-inf".
SchedulerConfig parse_scheduler_config(const nlohmann::json& values, const std::string& where);
nlohmann::json parse_scheduler_json(const std::string& text, const std::string& where);
// A scheduler_config.json as Python reads it.
std::string scheduler_json_text(const nlohmann::json& values);
SchedulerConfig parse_scheduler_config_text(const std::string& text, const std::string& where);

// Sets one key as if the file had it: how --use_karras_sigmas and --timestep_spacing come in.
void give_scheduler_setting(SchedulerConfig& config, const std::string& key,
                            const nlohmann::json& value, const std::string& where);

// The settings of `config` as class `class_name` sees them: its own defaults, then every given key
// that the class has. A given key that it lacks is left out.
SchedulerConfig config_for_class(const SchedulerConfig& config, const std::string& class_name);

// Whether that class has this key: worth a warning where a user asked for one that it lacks.
bool scheduler_class_reads(const std::string& class_name, const std::string& key);

// diffusers' class names that have a sampler here.
std::vector<std::string> scheduler_class_names();

}  // namespace dorabooth
