#include "pipelines/training_run.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/version.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "src/adapter/adapter_file.h"
#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/ops/dense_product.h"

namespace dorabooth {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr const char* kStateFile = "training_state.json";

AdapterSpec default_spec(const TrainConfig& config) {
  AdapterSpec spec;
  spec.kind = config.use_dora ? "dora" : "lora";
  spec.rank = config.rank;
  spec.alpha = config.lora_alpha;
  spec.use_rslora = config.use_rslora;
  spec.dropout = config.lora_dropout;
  spec.target_modules = config.target_modules.empty()
                            ? default_target_modules(config.train_text_encoder)
                            : config.target_modules;
  spec.rank_pattern = config.rank_pattern;
  spec.alpha_pattern = config.alpha_pattern;
  spec.norm_axis = config.dora_norm_axis;
  spec.norm_gradient = config.dora_norm_gradient;
  spec.init_lora_weights = config.init_lora_weights;
  return spec;
}

int64_t step_of_checkpoint(const fs::path& folder) {
  const std::string name = folder.filename().string();
  const std::string prefix = "checkpoint-";
  if (!name.starts_with(prefix) || name.size() == prefix.size()) return -1;
  const std::string digits = name.substr(prefix.size());
  if (digits.find_first_not_of("0123456789") != std::string::npos || digits.size() > 15) return -1;
  return std::stoll(digits);
}

// Whole checkpoints of a folder, oldest first.
std::vector<std::pair<int64_t, fs::path>> checkpoints_in(const fs::path& output) {
  std::vector<std::pair<int64_t, fs::path>> found;
  if (!fs::is_directory(output)) return found;
  for (const auto& entry : fs::directory_iterator(output)) {
    const int64_t step = step_of_checkpoint(entry.path());
    if (step >= 0 && fs::exists(entry.path() / kStateFile)) found.emplace_back(step, entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

fs::path checkpoint_to_resume(const TrainConfig& config) {
  if (*config.resume_from_checkpoint == "latest") {
    const auto found = checkpoints_in(config.output_dir);
    if (found.empty()) fail("resume_from_checkpoint latest: no checkpoint in ", config.output_dir);
    return found.back().second;
  }
  fs::path folder = *config.resume_from_checkpoint;
  if (!fs::exists(folder) && fs::exists(fs::path(config.output_dir) / folder)) {
    folder = fs::path(config.output_dir) / folder;
  }
  if (!fs::exists(folder / kStateFile)) {
    fail("resume_from_checkpoint: ", folder.string(), " holds no ", kStateFile);
  }
  return folder;
}

std::string state_file_of(const AdapterTrainer& trainer) {
  return "state-" + trainer.name() + ".safetensors";
}

// Settings that may differ between a run and its resumption without changing a bit of what is
// trained.
bool is_free_to_change(const std::string& key) {
  for (const char* name :
       {"output_dir", "checkpointing_steps", "checkpoints_total_limit", "resume_from_checkpoint",
        "report_to", "validation_prompt", "num_validation_images", "validation_steps",
        "validation_inference_steps", "validation_guidance_scale", "sample_batch_size",
        "max_train_steps", "num_train_epochs", "pretrained_model_name_or_path", "instance_data_dir",
        "class_data_dir", "gradient_checkpointing", "device"}) {
    if (key == name) return true;
  }
  return false;
}

}  // namespace

std::vector<NamedSpec> adapter_specs(const TrainConfig& config) {
  const AdapterSpec defaults = default_spec(config);
  std::vector<AdapterSpec> specs;
  for (const std::string& text : config.adapter) {
    if (text == "both" || text.starts_with("both:")) {
      specs.push_back(parse_adapter_spec("lora" + text.substr(4), defaults));
      specs.push_back(parse_adapter_spec("dora" + text.substr(4), defaults));
    } else {
      specs.push_back(parse_adapter_spec(text, defaults));
    }
  }
  if (specs.empty()) specs.push_back(defaults);
  std::vector<NamedSpec> named;
  for (const AdapterSpec& spec : specs) {
    const auto same_kind = std::count_if(named.begin(), named.end(), [&](const NamedSpec& other) {
      return other.spec.kind == spec.kind;
    });
    named.push_back({same_kind == 0 ? spec.kind : spec.kind + std::to_string(same_kind + 1), spec});
  }
  return named;
}

void check_train_config(const TrainConfig& config) {
  const auto need = [](const std::string& value, const char* name) {
    if (value.empty()) throw UsageError(concat("--", name, " is missing"));
  };
  need(config.pretrained_model_name_or_path, "pretrained_model_name_or_path");
  need(config.instance_data_dir, "instance_data_dir");
  need(config.output_dir, "output_dir");
  if (config.with_prior_preservation && (!config.class_data_dir || !config.class_prompt)) {
    throw UsageError("--with_prior_preservation needs --class_data_dir and --class_prompt");
  }
  if (config.resolution % 8 != 0) {
    throw UsageError(concat("--resolution: want a multiple of 8, got ", config.resolution));
  }
  adapter_specs(config);
}

fs::path adapter_folder(const fs::path& output,
                        const std::vector<std::unique_ptr<AdapterTrainer>>& trainers,
                        const AdapterTrainer& trainer) {
  return trainers.size() == 1 ? output : output / trainer.name();
}

std::string environment_json() {
  const json environment = {{"dense_products", dense_product_rule()},
                            {"threads", at::get_num_threads()},
                            {"cpu_capability", at::get_cpu_capability()},
                            {"libtorch", TORCH_VERSION}};
  return environment.dump();
}

void write_run_json(const TrainConfig& config) {
  TrainConfig repeated = config;
  repeated.resume_from_checkpoint.reset();
  json run = train_fields().to_json(&repeated);
  run["_environment"] = json::parse(environment_json());
  write_file_atomically(fs::path(config.output_dir) / "run.json", run.dump(2) + "\n");
}

uint64_t checkpoint_bytes(const std::vector<std::unique_ptr<AdapterTrainer>>& trainers) {
  uint64_t numbers = 0;
  for (const auto& trainer : trainers) {
    for (const AdapterParameter& parameter : trainer->set().parameters()) {
      numbers += static_cast<uint64_t>(parameter.value.numel());
    }
  }
  // The adapter once, its state three times (value and two moments), and room for headers.
  return numbers * 4 * sizeof(float) + (1u << 20) * (1 + trainers.size());
}

fs::path write_checkpoint(const TrainConfig& config, int64_t step,
                          const std::vector<std::unique_ptr<AdapterTrainer>>& trainers,
                          const std::map<std::string, std::string>& metadata) {
  const fs::path output = config.output_dir;
  const fs::path folder = output / concat("checkpoint-", step);
  fs::path temporary = folder;
  temporary += ".tmp";
  fs::remove_all(temporary);
  fs::create_directories(temporary);
  try {
    for (const auto& trainer : trainers) {
      trainer->save_state(temporary / state_file_of(*trainer));
      write_diffusers_adapter(
          adapter_folder(temporary, trainers, *trainer) / "pytorch_lora_weights.safetensors",
          trainer->set(), metadata);
    }
    const json state = {{"step", step},
                        {"config", train_fields().to_json(&config)},
                        {"environment", json::parse(environment_json())}};
    write_file_atomically(temporary / kStateFile, state.dump(2) + "\n");
    publish(temporary, folder);
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
    throw;
  }
  if (config.checkpoints_total_limit) {
    auto found = checkpoints_in(output);
    while (static_cast<int64_t>(found.size()) > *config.checkpoints_total_limit) {
      fs::remove_all(found.front().second);
      found.erase(found.begin());
    }
  }
  return folder;
}

int64_t resume(const TrainConfig& config,
               const std::vector<std::unique_ptr<AdapterTrainer>>& trainers, const Log& log) {
  if (!config.resume_from_checkpoint) return 0;
  const fs::path folder = checkpoint_to_resume(config);
  const json state = json::parse(read_file(folder / kStateFile));
  const json now = train_fields().to_json(&config);
  for (const auto& [key, value] : state.at("config").items()) {
    if (!is_free_to_change(key) && now.contains(key) && now[key] != value) {
      fail("resume from ", folder.string(), ": it was trained with ", key, " = ", value.dump(),
           ", this run asks for ", now[key].dump());
    }
  }
  const json environment = json::parse(environment_json());
  for (const auto& [key, value] : state.at("environment").items()) {
    if (environment.contains(key) && environment[key] != value) {
      log.warning(concat("resume from ", folder.string(), ": ", key, " was ", value.dump(),
                         " and is now ", environment[key].dump(),
                         ", so the bits may differ from an uninterrupted run"));
    }
  }
  for (const auto& trainer : trainers) trainer->load_state(folder / state_file_of(*trainer));
  const int64_t step = state.at("step").get<int64_t>();
  log.info(concat("resumed from ", folder.string(), " after step ", step));
  return step;
}

}  // namespace dorabooth
