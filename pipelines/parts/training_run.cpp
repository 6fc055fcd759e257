// Adapter specs, checks across fields, run.json.
#include "pipelines/parts/training_run.h"

#include <ATen/Parallel.h>
#include <torch/version.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "pipelines/parts/trainer_options.h"
#include "pipelines/parts/training_pictures.h"
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

// The attention projections; where blocks are named, those of the UNet that lie in one of them.
std::vector<std::string> target_modules_of(const TrainConfig& config) {
  if (!config.target_modules.empty()) return config.target_modules;
  const std::vector<std::string> blocks = unet_blocks_of(config);
  if (blocks.empty()) return default_target_modules(config.train_text_encoder);
  std::vector<std::string> targets;
  for (const std::string& name : default_target_modules(config.train_text_encoder)) {
    if (name.starts_with("to_")) {
      for (const std::string& block : blocks) targets.push_back("unet.*" + block + "*." + name);
    } else {
      targets.push_back(name);
    }
  }
  return targets;
}

AdapterSpec default_spec(const TrainConfig& config) {
  AdapterSpec spec;
  spec.kind = config.use_dora ? "dora" : "lora";
  spec.rank = config.rank;
  spec.alpha = config.lora_alpha;
  spec.use_rslora = config.use_rslora;
  spec.dropout = config.lora_dropout;
  spec.target_modules = target_modules_of(config);
  spec.magnitude_only_modules = config.magnitude_only_modules;
  spec.rank_pattern = config.rank_pattern;
  spec.alpha_pattern = config.alpha_pattern;
  spec.norm_axis = config.dora_norm_axis;
  spec.norm_gradient = config.dora_norm_gradient;
  spec.init_lora_weights = config.init_lora_weights;
  return spec;
}

// What an --adapter says of the run and not of the adapter, and the text without it.
struct RunSettings {
  std::string rest;
  std::string name;
  std::optional<double> learning_rate;
};

RunSettings take_run_settings(const std::string& text) {
  RunSettings own;
  const size_t colon = std::min(text.find(':'), text.size());
  own.rest = text.substr(0, colon);
  char before = ':';
  std::istringstream parts(text.substr(std::min(colon + 1, text.size())));
  for (std::string part; std::getline(parts, part, ',');) {
    if (part.starts_with("name=")) {
      own.name = part.substr(5);
      const bool plain = own.name.find_first_not_of(
                             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                             "_-") == std::string::npos;
      if (own.name.empty() || !plain || own.name == "base") {
        throw UsageError(concat("--adapter ", text,
                                ": a name is of letters, digits, _ and -, and not base; got '",
                                own.name, "'"));
      }
    } else if (part.starts_with("learning_rate=")) {
      const std::string number = part.substr(14);
      double rate = 0;
      const char* end = number.data() + number.size();
      const auto [stop, error] = std::from_chars(number.data(), end, rate);
      if (error != std::errc() || stop != end || !(rate > 0) || !std::isfinite(rate)) {
        throw UsageError(
            concat("--adapter ", text, ": want a learning_rate above 0, got '", number, "'"));
      }
      own.learning_rate = rate;
    } else {
      own.rest += before + part;
      before = ',';
    }
  }
  return own;
}

// Those without a name get their kind's, with a number where it is taken.
void name_adapters(std::vector<NamedSpec>& named) {
  std::set<std::string> taken;
  for (const NamedSpec& one : named) {
    if (!one.name.empty() && !taken.insert(one.name).second)
      throw UsageError(concat("--adapter: two adapters are named '", one.name, "'"));
  }
  for (NamedSpec& one : named) {
    if (!one.name.empty()) continue;
    one.name = one.spec.kind;
    for (int number = 2; !taken.insert(one.name).second; ++number)
      one.name = one.spec.kind + std::to_string(number);
  }
}

}  // namespace

std::vector<std::string> unet_blocks_of(const TrainConfig& config) {
  if (config.use_blora) return {"up_blocks.0.attentions.0", "up_blocks.0.attentions.1"};
  std::vector<std::string> blocks;
  std::istringstream list(config.lora_unet_blocks.value_or(""));
  for (std::string block; std::getline(list, block, ',');) {
    std::erase_if(block, [](unsigned char c) { return std::isspace(c); });
    if (block.starts_with("unet.")) block.erase(0, 5);
    if (block.empty() || block.find_first_of("*?[") != std::string::npos) {
      throw UsageError(
          concat("--lora_unet_blocks: want names of blocks, got '", *config.lora_unet_blocks, "'"));
    }
    blocks.push_back(block);
  }
  return blocks;
}

void require_unet_blocks(const TrainConfig& config, const std::vector<AdapterParameter>& trained) {
  for (const std::string& block : unet_blocks_of(config)) {
    const auto lies_in_it = [&](const AdapterParameter& parameter) {
      return parameter.module.starts_with("unet.") &&
             parameter.module.find(block) != std::string::npos;
    };
    if (std::none_of(trained.begin(), trained.end(), lies_in_it))
      fail("--lora_unet_blocks: no attention projection of the UNet lies in ", block);
  }
}

std::vector<NamedSpec> adapter_specs(const TrainConfig& config) {
  AdapterSpec defaults = default_spec(config);
  const std::vector<std::string> magnitude_only = defaults.magnitude_only_modules;
  defaults.magnitude_only_modules.clear();  // refused for kinds that have no magnitudes
  std::vector<NamedSpec> named;
  const auto add = [&](const std::string& text) {
    const RunSettings own = take_run_settings(text);
    named.push_back({own.name, parse_adapter_spec(own.rest, defaults), own.learning_rate});
  };
  for (const std::string& text : config.adapter) {
    if (text == "both" || text.starts_with("both:")) {
      add("lora" + text.substr(4));
      add("dora" + text.substr(4));
    } else {
      add(text);
    }
  }
  if (named.empty()) named.push_back({"", defaults});
  const auto has_magnitudes = [](const NamedSpec& one) { return one.spec.has_magnitude(); };
  if (!config.magnitude_only_modules.empty() &&
      std::none_of(named.begin(), named.end(), has_magnitudes)) {
    throw UsageError("--magnitude_only_modules: none of the adapters has magnitudes; train a DoRA");
  }
  for (NamedSpec& one : named) {
    if (one.spec.has_magnitude() && one.spec.magnitude_only_modules.empty())
      one.spec.magnitude_only_modules = magnitude_only;
  }
  name_adapters(named);
  return named;
}

namespace {

void check_full(const TrainConfig& config) {
  const std::vector<NamedSpec> adapters = adapter_specs(config);
  const bool any = std::any_of(adapters.begin(), adapters.end(),
                               [](const NamedSpec& named) { return named.spec.is_full(); });
  if (!any && config.full_checkpoint != TrainConfig().full_checkpoint) {
    throw UsageError("--full_checkpoint is for --adapter full");
  }
  if (any && config.base_quantization != "none") {
    throw UsageError(concat("--adapter full trains the base's weights, which cannot lie in ",
                            config.base_quantization, ": leave --base_quantization out"));
  }
  if (any && config.init_adapter) {
    throw UsageError(concat("--init_adapter ", *config.init_adapter,
                            " begins LoRA and DoRA; --adapter full begins as the base: merge the "
                            "file and give the result as the base"));
  }
}

}  // namespace

void check_train_config(const TrainConfig& config) {
  const auto need = [](const std::string& value, const char* name) {
    if (value.empty()) throw UsageError(concat("--", name, " is missing"));
  };
  need(config.pretrained_model_name_or_path, "pretrained_model_name_or_path");
  if (!config.concepts_list) need(config.instance_data_dir, "instance_data_dir");
  need(config.output_dir, "output_dir");
  check_data_options(config);
  lr_schedule_of(config, 1).factor(config.lr_warmup_steps + 1, config.learning_rate);
  check_trainer_options(config);
  check_full(config);
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

json environment_of(const TrainConfig& config, int64_t processes) {
  json environment = environment_of(config);
  environment["processes"] = processes;
  return environment;
}

void write_run_json(const TrainConfig& config, int64_t processes) {
  TrainConfig repeated = config;
  repeated.resume_from_checkpoint.reset();
  json run = train_fields().to_json(&repeated);
  run["_environment"] = environment_of(config, processes);
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
    if (picture.repeats != 1) digest.update(concat(" repeats ", picture.repeats));
    if (picture.loss_weight != 1.0) digest.update(concat(" weight ", picture.loss_weight));
    if (picture.mask) digest.update(concat(" mask ", sha256_of_file(*picture.mask)));
    if (picture.class_prompt) digest.update(concat(" class ", *picture.class_prompt));
    if (const auto& crop = picture.crop) {
      digest.update(
          concat(" crop ", crop->left, " ", crop->top, " ", crop->width, " ", crop->height, " "));
    }
  }
  return digest.hex();
}

}  // namespace dorabooth
