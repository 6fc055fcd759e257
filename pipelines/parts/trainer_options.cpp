// Names are the config's; what differs between the scripts and this program is decided here.
#include "pipelines/parts/trainer_options.h"

#include "src/adapter/spec.h"
#include "src/base/error.h"

namespace dorabooth {

ModelOptions model_options_of(const TrainConfig& config) {
  ModelOptions options = config;
  options.dtype = config.mixed_precision == "no" ? "fp32" : config.mixed_precision;
  return options;
}

TrainerOptions trainer_options_of(const TrainConfig& config) {
  TrainerOptions options;
  options.optimizer = config.optimizer;
  options.learning_rate = config.learning_rate;
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
    options.text_encoder_lr = config.learning_rate;
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

void check_trainer_options(const TrainConfig& config) {
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
