// Names are the config's; what differs between the scripts and this program is decided here.
#include "pipelines/parts/trainer_options.h"

#include <cmath>

#include "pipelines/parts/token_abstractions.h"
#include "src/adapter/spec.h"
#include "src/base/error.h"

namespace dorabooth {

ModelOptions model_options_of(const TrainConfig& config) {
  ModelOptions options = config;
  options.dtype = config.mixed_precision == "no" ? "fp32" : config.mixed_precision;
  return options;
}

double learning_rate_of(const TrainConfig& config, int64_t processes) {
  return scaled_rate(config, config.learning_rate, processes);
}

double scaled_rate(const TrainConfig& config, double rate, int64_t processes) {
  if (!config.scale_lr) return rate;
  return rate * static_cast<double>(config.gradient_accumulation_steps * config.train_batch_size *
                                    processes);
}

int64_t validation_interval(const TrainConfig& config, int64_t steps_per_epoch) {
  return config.validation_epochs ? *config.validation_epochs * steps_per_epoch
                                  : config.validation_steps;
}

TrainerOptions trainer_options_of(const TrainConfig& config, int64_t processes) {
  TrainerOptions options;
  options.optimizer = config.optimizer;
  options.learning_rate = learning_rate_of(config, processes);
  options.text_encoder_lr = config.text_encoder_lr;
  options.text_encoder_2_lr = config.text_encoder_2_lr;
  options.learning_rate_pattern = config.learning_rate_pattern;
  options.loraplus_lr_ratio = config.loraplus_lr_ratio;
  options.weight_decay = config.adam_weight_decay;
  options.weight_decay_text_encoder = config.adam_weight_decay_text_encoder;
  options.beta1 = config.adam_beta1;
  options.beta2 = config.adam_beta2;
  options.epsilon = config.adam_epsilon;
  options.max_grad_norm = config.max_grad_norm;
  options.prodigy_beta3 = config.prodigy_beta3;
  options.prodigy_decouple = config.prodigy_decouple;
  options.prodigy_use_bias_correction = config.prodigy_use_bias_correction;
  options.prodigy_safeguard_warmup = config.prodigy_safeguard_warmup;
  options.use_8bit_adam = config.use_8bit_adam;
  options.lion_beta2 = config.lion_beta2;
  options.adafactor_scale_parameter = config.adafactor_scale_parameter;
  options.adafactor_relative_step = config.adafactor_relative_step;
  if (config.use_ema) options.ema_decay = config.ema_decay;
  options.scale_loss = config.mixed_precision == "fp16";
  // Prodigy finds one rate for all parameters, as the scripts have it.
  if (config.optimizer == "prodigy") {
    options.text_encoder_lr = options.learning_rate;
    options.text_encoder_2_lr.reset();
  }
  return options;
}

ObjectiveConfig objective_of(const TrainConfig& config, const std::string& base_type) {
  ObjectiveConfig objective;
  objective.prediction_type = config.prediction_type.value_or(base_type);
  objective.snr_gamma = config.snr_gamma;
  objective.snr_form = config.snr_form == "paper" ? SnrForm::kPaper : SnrForm::kAddOne;
  objective.debiased_estimation = config.debiased_estimation_loss;
  objective.edm = config.do_edm_style_training;
  objective.error = {config.loss_type, config.huber_schedule, config.huber_c};
  objective.prior_loss_weight = config.prior_loss_weight;
  return objective;
}

NoiseOptions noise_options_of(const TrainConfig& config) {
  NoiseOptions options;
  options.offset = config.noise_offset;
  options.perturbation = config.input_perturbation;
  options.multires_iterations = config.multires_noise_iterations;
  options.multires_discount = config.multires_noise_discount;
  return options;
}

TimestepOptions timestep_options_of(const TrainConfig& config) {
  TimestepOptions options;
  options.distribution = config.timestep_distribution;
  options.logit_mean = config.logit_mean;
  options.logit_std = config.logit_std;
  options.min_timestep = config.min_timestep;
  options.max_timestep = config.max_timestep;
  options.bias_strategy = config.timestep_bias_strategy;
  options.bias_multiplier = config.timestep_bias_multiplier;
  options.bias_begin = config.timestep_bias_begin;
  options.bias_end = config.timestep_bias_end;
  options.bias_portion = config.timestep_bias_portion;
  return options;
}

CaptionOptions caption_options_of(const TrainConfig& config) {
  return {config.proportion_empty_prompts, config.shuffle_caption, config.keep_tokens,
          config.caption_separator};
}

namespace {

void check_text_options(const TrainConfig& config) {
  const auto only_with = [](bool set, const char* flag, bool with, const char* other) {
    if (set && !with) throw UsageError(concat("--", flag, " is for --", other));
  };
  if (config.train_text_encoder && config.train_text_encoder_ti) {
    throw UsageError(
        "--train_text_encoder trains adapters on the text encoders, --train_text_encoder_ti "
        "embeddings of new tokens: give one of them");
  }
  const TrainConfig usual;
  const bool adapters = config.train_text_encoder;
  only_with(config.text_encoders.has_value(), "text_encoders", adapters, "train_text_encoder");
  only_with(config.train_text_encoder_frac != usual.train_text_encoder_frac,
            "train_text_encoder_frac", adapters, "train_text_encoder");
  const bool tokens = config.train_text_encoder_ti;
  const char* ti = "train_text_encoder_ti";
  only_with(config.train_text_encoder_ti_frac != usual.train_text_encoder_ti_frac,
            "train_text_encoder_ti_frac", tokens, ti);
  only_with(!config.token_abstraction.empty(), "token_abstraction", tokens, ti);
  only_with(config.num_new_tokens_per_abstraction.has_value(), "num_new_tokens_per_abstraction",
            tokens, ti);
  only_with(config.initializer_concept.has_value(), "initializer_concept", tokens, ti);
  abstraction_words(config);
}

}  // namespace

int64_t text_steps_of(const TrainConfig& config, int64_t total_steps) {
  double share = 1.0;
  if (config.train_text_encoder) share = config.train_text_encoder_frac;
  if (config.train_text_encoder_ti) share = config.train_text_encoder_ti_frac;
  constexpr double kRounding = 1e-9;  // 0.29 of 100 steps are 29
  return static_cast<int64_t>(std::floor(share * static_cast<double>(total_steps) + kRounding));
}

bool trains_component(const TrainConfig& config, const std::string& component) {
  const std::string which = config.text_encoders.value_or("both");
  if (component == "text_encoder") return which != "second";
  return component != "text_encoder_2" || which != "first";
}

bool full_trains_component(const TrainConfig& config, const std::string& component) {
  if (component == "unet") return true;
  return config.train_text_encoder && component.starts_with("text_encoder") &&
         trains_component(config, component);
}

void check_trainer_options(const TrainConfig& config) {
  check_text_options(config);
  if (config.use_8bit_adam && config.optimizer != "adamw") {
    throw UsageError(
        concat("--use_8bit_adam is for --optimizer adamw, not for ", config.optimizer));
  }
  if (config.use_ema && config.optimizer == "adamw_schedule_free") {
    throw UsageError(
        "--use_ema and --optimizer adamw_schedule_free both average the adapter: choose one");
  }
  const bool one_rate = config.optimizer == "prodigy";
  if (one_rate && (config.loraplus_lr_ratio != 1 || !config.learning_rate_pattern.empty())) {
    throw UsageError(
        "--optimizer prodigy finds one learning rate for all parameters: neither "
        "--loraplus_lr_ratio nor --learning_rate_pattern goes with it");
  }
  if (config.adafactor_relative_step && config.optimizer != "adafactor") {
    throw UsageError("--adafactor_relative_step is for --optimizer adafactor");
  }
  if (config.timestep_bias_strategy != "none" && config.timestep_distribution != "uniform") {
    throw UsageError(concat("--timestep_bias_strategy ", config.timestep_bias_strategy,
                            " goes with --timestep_distribution uniform only"));
  }
  if (config.do_edm_style_training &&
      (config.snr_gamma || config.debiased_estimation_loss || config.loss_type != "l2")) {
    throw UsageError(
        "--do_edm_style_training has weights of its own: none of --snr_gamma, "
        "--debiased_estimation_loss and --loss_type goes with it");
  }
  if (config.use_blora && config.lora_unet_blocks) {
    throw UsageError("--use_blora chooses two blocks by itself: give no --lora_unet_blocks");
  }
  if ((config.use_blora || config.lora_unet_blocks) && !config.target_modules.empty()) {
    throw UsageError(concat(config.use_blora ? "--use_blora" : "--lora_unet_blocks",
                            " and --target_modules both choose the modules: give one"));
  }
  if (config.min_timestep >= config.max_timestep) {
    throw UsageError(concat("--min_timestep ", config.min_timestep,
                            " must be below --max_timestep ", config.max_timestep));
  }
  if (config.shuffle_caption && config.caption_separator.empty()) {
    throw UsageError("--shuffle_caption wants a --caption_separator that is not empty");
  }
  pattern_value(config.learning_rate_pattern, "", 1.0, "--learning_rate_pattern");
}

}  // namespace dorabooth
