// Adapter specs, checks across fields, run.json.
#include "pipelines/parts/training_run.h"

#include <ATen/Parallel.h>
#include <torch/version.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "pipelines/parts/trainer_options.h"
#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/device/device.h"
#include "src/nn/convolution_weight.h"
#include "src/ops/dense_product.h"

namespace dorabooth {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

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
  spec.magnitude_only_modules = config.magnitude_only_modules;
  spec.rank_pattern = config.rank_pattern;
  spec.alpha_pattern = config.alpha_pattern;
  spec.norm_axis = config.dora_norm_axis;
  spec.norm_gradient = config.dora_norm_gradient;
  spec.init_lora_weights = config.init_lora_weights;
  return spec;
}

bool has_magnitudes(const AdapterSpec& spec) { return spec.has_magnitude(); }

}  // namespace

std::vector<NamedSpec> adapter_specs(const TrainConfig& config) {
  AdapterSpec defaults = default_spec(config);
  const std::vector<std::string> magnitude_only = defaults.magnitude_only_modules;
  defaults.magnitude_only_modules.clear();  // refused for kinds that have no magnitudes
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
  if (!config.magnitude_only_modules.empty() &&
      std::none_of(specs.begin(), specs.end(), has_magnitudes)) {
    throw UsageError("--magnitude_only_modules: none of the adapters has magnitudes; train a DoRA");
  }
  std::vector<NamedSpec> named;
  for (AdapterSpec& spec : specs) {
    if (has_magnitudes(spec) && spec.magnitude_only_modules.empty()) {
      spec.magnitude_only_modules = magnitude_only;
    }
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
  if (config.with_prior_preservation) {
    need(config.class_data_dir.value_or(""), "class_data_dir (for --with_prior_preservation)");
    need(config.class_prompt.value_or(""), "class_prompt (for --with_prior_preservation)");
    if (fs::weakly_canonical(*config.class_data_dir) ==
        fs::weakly_canonical(config.instance_data_dir)) {
      throw UsageError(concat("--class_data_dir and --instance_data_dir are the same folder, ",
                              config.instance_data_dir,
                              ": class pictures would be trained as instances"));
    }
  }
  if (config.resolution % 8 != 0) {
    throw UsageError(concat("--resolution: want a multiple of 8, got ", config.resolution));
  }
  lr_schedule_of(config, 1).factor(config.lr_warmup_steps + 1, config.learning_rate);
  check_trainer_options(config);
  adapter_specs(config);
}

LrSchedule lr_schedule_of(const TrainConfig& config, int64_t total_steps) {
  LrSchedule schedule;
  schedule.name = config.lr_scheduler;
  schedule.warmup_steps = config.lr_warmup_steps;
  schedule.total_steps = total_steps;
  schedule.num_cycles = static_cast<double>(config.lr_num_cycles);
  schedule.power = config.lr_power;
  return schedule;
}

json environment_of(const TrainConfig& config) {
  return {{"device", open_device(config.device).text()}, {"dense_products", dense_product_rule()},
          {"convolutions", nn::convolution_rule()},      {"threads", at::get_num_threads()},
          {"cpu_capability", at::get_cpu_capability()},  {"libtorch", TORCH_VERSION}};
}

void write_run_json(const TrainConfig& config) {
  TrainConfig repeated = config;
  repeated.resume_from_checkpoint.reset();
  json run = train_fields().to_json(&repeated);
  run["_environment"] = environment_of(config);
  write_file_atomically(fs::path(config.output_dir) / "run.json", run.dump(2) + "\n");
}

std::string digest_of(const std::vector<CaptionedPicture>& pictures) {
  Sha256 digest;
  for (const CaptionedPicture& picture : pictures) {
    digest.update(concat(sha256_of_file(picture.path), picture.caption.size(), ":"));
    digest.update(picture.caption);
    for (const std::string& other : picture.alternatives) {
      digest.update(concat(" or ", other.size(), ":", other));
    }
    if (const auto& crop = picture.crop) {
      digest.update(
          concat(" crop ", crop->left, " ", crop->top, " ", crop->width, " ", crop->height, " "));
    }
  }
  return digest.hex();
}

}  // namespace dorabooth
