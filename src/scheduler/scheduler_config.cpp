// The scheduler field list, and per diffusers class the keys it reads and the defaults it changes.
#include "src/scheduler/scheduler_config.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "src/base/error.h"

namespace dorabooth {

using nlohmann::json;

namespace {

FieldList<SchedulerConfig> make_fields() {
  using C = SchedulerConfig;
  FieldList<C> list;
  list.group("noise schedule");
  list.add("num_train_timesteps", &C::num_train_timesteps, "Length of the training schedule.")
      .at_least(2)
      .at_most(1000000);
  list.add("beta_start", &C::beta_start, "First beta.").above(0).at_most(1);
  list.add("beta_end", &C::beta_end, "Last beta.").above(0).at_most(1);
  list.add("beta_schedule", &C::beta_schedule, "How beta grows between them.")
      .one_of({"linear", "scaled_linear", "squaredcos_cap_v2"});
  list.add("trained_betas", &C::trained_betas, "All betas, instead of a formula.")
      .above(0)
      .at_most(1);
  list.add("rescale_betas_zero_snr", &C::rescale_betas_zero_snr,
           "Rescale the betas so that the last timestep is pure noise.");
  list.add("prediction_type", &C::prediction_type, "What the model predicts.")
      .one_of({"epsilon", "v_prediction", "sample"});
  list.group("timesteps");
  list.add("timestep_spacing", &C::timestep_spacing, "Which timesteps a short run visits.")
      .one_of({"leading", "trailing", "linspace"});
  list.add("steps_offset", &C::steps_offset, "Added to the timesteps of leading spacing.")
      .at_least(0);
  list.add("use_karras_sigmas", &C::use_karras_sigmas, "Sigmas spaced as by Karras et al. 2022.");
  list.add("use_exponential_sigmas", &C::use_exponential_sigmas, "Sigmas spaced evenly in log.");
  list.add("sigma_min", &C::sigma_min, "Smallest sigma of those spacings.").above(0);
  list.add("sigma_max", &C::sigma_max, "Largest sigma of those spacings.").above(0);
  list.add("final_sigmas_type", &C::final_sigmas_type, "The sigma after the last step.")
      .one_of({"zero", "sigma_min"});
  list.add("original_inference_steps", &C::original_inference_steps,
           "LCM: steps of the distilled schedule.")
      .at_least(1);
  list.add("timestep_scaling", &C::timestep_scaling, "LCM: scale of its boundary condition.")
      .above(0);
  list.group("step");
  list.add("clip_sample", &C::clip_sample, "Clamp the predicted clean sample.");
  list.add("clip_sample_range", &C::clip_sample_range, "To plus and minus this.").above(0);
  list.add("set_alpha_to_one", &C::set_alpha_to_one,
           "The last step ends on no noise instead of on the first timestep's.");
  list.add("skip_prk_steps", &C::skip_prk_steps, "PNDM: no Runge-Kutta steps at the start.");
  list.add("variance_type", &C::variance_type, "DDPM: variance of the noise added in a step.");
  list.add("algorithm_type", &C::algorithm_type, "DPM-Solver++ as an ODE or as an SDE.");
  list.add("solver_order", &C::solver_order, "Order of DPM-Solver++ and UniPC.").at_least(1);
  list.add("solver_type", &C::solver_type, "Second-order variant of the solver.");
  list.add("lower_order_final", &C::lower_order_final, "First order at the end of short runs.");
  list.add("euler_at_final", &C::euler_at_final, "First order in the last step.");
  list.add("disable_corrector", &C::disable_corrector, "UniPC: steps without the corrector.");
  return list;
}

// The one value that each of these keys may have.
const json& neutral_values() {
  static const json values = {{"thresholding", false},
                              {"dynamic_thresholding_ratio", "*"},
                              {"sample_max_value", "*"},
                              {"interpolation_type", "linear"},
                              {"timestep_type", "discrete"},
                              {"use_beta_sigmas", false},
                              {"use_lu_lambdas", false},
                              {"use_flow_sigmas", false},
                              {"use_dynamic_shifting", false},
                              {"flow_shift", "*"},
                              {"time_shift_type", "*"},
                              {"shift_terminal", nullptr},
                              {"lambda_min_clipped", "-inf"},
                              {"predict_x0", true},
                              {"solver_p", nullptr}};
  return values;
}

struct SchedulerClass {
  const char* name;
  std::vector<std::string> keys;  // besides those that all classes have
  void (*set_defaults)(SchedulerConfig&);
};

const std::vector<SchedulerClass>& scheduler_classes() {
  using C = SchedulerConfig;
  static const std::vector<SchedulerClass> classes = {
      {"DDIMScheduler",
       {"clip_sample", "set_alpha_to_one", "steps_offset", "clip_sample_range", "timestep_spacing",
        "rescale_betas_zero_snr"},
       [](C& c) {
         c.clip_sample = true;
         c.timestep_spacing = "leading";
       }},
      {"DDPMScheduler",
       {"variance_type", "clip_sample", "clip_sample_range", "timestep_spacing", "steps_offset",
        "rescale_betas_zero_snr"},
       [](C& c) {
         c.variance_type = "fixed_small";
         c.clip_sample = true;
         c.timestep_spacing = "leading";
       }},
      {"EulerDiscreteScheduler",
       {"use_karras_sigmas", "use_exponential_sigmas", "sigma_min", "sigma_max", "timestep_spacing",
        "steps_offset", "rescale_betas_zero_snr", "final_sigmas_type"},
       [](C&) {}},
      {"EulerAncestralDiscreteScheduler",
       {"timestep_spacing", "steps_offset", "rescale_betas_zero_snr"},
       [](C&) {}},
      {"HeunDiscreteScheduler",
       {"use_karras_sigmas", "use_exponential_sigmas", "clip_sample", "clip_sample_range",
        "timestep_spacing", "steps_offset"},
       [](C& c) {
         c.beta_start = 0.00085;
         c.beta_end = 0.012;
       }},
      {"DPMSolverMultistepScheduler",
       {"solver_order", "algorithm_type", "solver_type", "lower_order_final", "euler_at_final",
        "use_karras_sigmas", "use_exponential_sigmas", "final_sigmas_type", "variance_type",
        "timestep_spacing", "steps_offset", "rescale_betas_zero_snr"},
       [](C&) {}},
      {"DPMSolverSinglestepScheduler",
       {"solver_order", "algorithm_type", "solver_type", "lower_order_final", "use_karras_sigmas",
        "use_exponential_sigmas", "final_sigmas_type", "variance_type"},
       [](C& c) { c.lower_order_final = false; }},
      {"UniPCMultistepScheduler",
       {"solver_order", "solver_type", "lower_order_final", "disable_corrector",
        "use_karras_sigmas", "use_exponential_sigmas", "timestep_spacing", "steps_offset",
        "final_sigmas_type", "rescale_betas_zero_snr", "sigma_min", "sigma_max"},
       [](C& c) { c.solver_type = "bh2"; }},
      {"PNDMScheduler",
       {"skip_prk_steps", "set_alpha_to_one", "timestep_spacing", "steps_offset"},
       [](C& c) {
         c.set_alpha_to_one = false;
         c.timestep_spacing = "leading";
       }},
      {"LMSDiscreteScheduler",
       {"use_karras_sigmas", "use_exponential_sigmas", "timestep_spacing", "steps_offset"},
       [](C&) {}},
      {"LCMScheduler",
       {"original_inference_steps", "clip_sample", "clip_sample_range", "set_alpha_to_one",
        "steps_offset", "timestep_spacing", "timestep_scaling", "rescale_betas_zero_snr"},
       [](C& c) {
         c.beta_start = 0.00085;
         c.beta_end = 0.012;
         c.beta_schedule = "scaled_linear";
         c.timestep_spacing = "leading";
       }},
  };
  return classes;
}

const SchedulerClass& scheduler_class(const std::string& name) {
  for (const SchedulerClass& entry : scheduler_classes()) {
    if (name == entry.name) return entry;
  }
  std::string known;
  for (const std::string& one : scheduler_class_names()) known += (known.empty() ? "" : ", ") + one;
  fail("scheduler class '", name, "' is not supported; known are ", known,
       did_you_mean(name, scheduler_class_names()));
}

bool reads_key(const SchedulerClass& entry, const std::string& key) {
  static const std::vector<std::string> common = {
      "num_train_timesteps", "beta_start",    "beta_end",
      "beta_schedule",       "trained_betas", "prediction_type"};
  return std::ranges::find(common, key) != common.end() ||
         std::ranges::find(entry.keys, key) != entry.keys.end();
}

// Python's json writes -Infinity, which JSON lacks; outside of strings it becomes "-inf".
std::string without_bare_infinity(const std::string& text) {
  static const std::string bare = "-Infinity";
  std::string result;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (!in_string && text.compare(i, bare.size(), bare) == 0) {
      result += "\"-inf\"";
      i += bare.size() - 1;
      continue;
    }
    if (in_string && text[i] == '\\' && i + 1 < text.size()) result += text[i++];
    if (text[i] == '"') in_string = !in_string;
    result += text[i];
  }
  return result;
}

}  // namespace

const FieldList<SchedulerConfig>& scheduler_fields() {
  static const FieldList<SchedulerConfig> list = make_fields();
  return list;
}

SchedulerConfig parse_scheduler_config(const json& values, const std::string& where) {
  SchedulerConfig config;
  parse_component_config(scheduler_fields(), &config, values, neutral_values(), where);
  if (values.value("predict_x0", json(true)) == false) {
    fail(where, ": 'predict_x0' = false is not supported (only true is)");
  }
  if (const auto name = values.find("_class_name"); name != values.end()) {
    if (!name->is_string()) fail(where, ": _class_name: want a text, got ", name->dump());
    config.class_name = name->get<std::string>();
  }
  for (const Field& field : scheduler_fields().fields()) {
    const auto value = values.find(field.name);
    if (value != values.end() && (field.optional || !value->is_null())) {
      config.given.push_back(field.name);
    }
  }
  return config;
}

json parse_scheduler_json(const std::string& text, const std::string& where) {
  try {
    return json::parse(without_bare_infinity(text));
  } catch (const json::exception& error) {
    fail(where, ": not valid JSON: ", error.what());
  }
}

std::string scheduler_json_text(const json& values) {
  std::string text = values.dump(2) + "\n";
  const std::string quoted = "\"-inf\"";
  for (size_t at = text.find(quoted); at != text.npos; at = text.find(quoted, at)) {
    text.replace(at, quoted.size(), "-Infinity");
  }
  return text;
}

SchedulerConfig parse_scheduler_config_text(const std::string& text, const std::string& where) {
  return parse_scheduler_config(parse_scheduler_json(text, where), where);
}

void give_scheduler_setting(SchedulerConfig& config, const std::string& key, const json& value,
                            const std::string& where) {
  scheduler_fields().set(&config, scheduler_fields().at(key), value, where);
  if (std::ranges::find(config.given, key) == config.given.end()) config.given.push_back(key);
}

SchedulerConfig config_for_class(const SchedulerConfig& config, const std::string& class_name) {
  const SchedulerClass& entry = scheduler_class(class_name);
  const FieldList<SchedulerConfig>& fields = scheduler_fields();
  SchedulerConfig result;
  result.class_name = class_name;
  entry.set_defaults(result);
  for (const std::string& key : config.given) {
    if (!reads_key(entry, key)) continue;
    fields.set(&result, fields.at(key), fields.get(&config, fields.at(key)), key);
    result.given.push_back(key);
  }
  return result;
}

bool scheduler_class_reads(const std::string& class_name, const std::string& key) {
  return reads_key(scheduler_class(class_name), key);
}

std::vector<std::string> scheduler_class_names() {
  std::vector<std::string> names;
  for (const SchedulerClass& entry : scheduler_classes()) names.emplace_back(entry.name);
  return names;
}

}  // namespace dorabooth
