// DreamBooth training of one or several adapters from one base: the twin run trains LoRA and DoRA
// on the same pictures, noise and timesteps, each byte for byte as if it were alone.
#pragma once

#include <stop_token>

#include "pipelines/data_options.h"
#include "pipelines/model_options.h"
#include "pipelines/progress.h"
#include "src/device/process_environment.h"

namespace dorabooth {

struct TrainConfig : ModelOptions, DataOptions {
  std::string mixed_precision = "no";
  std::optional<int64_t> clip_skip;

  double proportion_empty_prompts = 0.0;
  bool shuffle_caption = false;
  int64_t keep_tokens = 0;
  std::string caption_separator = ",";
  std::optional<std::string> disk_cache_dir;
  std::optional<int64_t> memory_limit_mb;

  int64_t sample_batch_size = 4;
  double prior_loss_weight = 1.0;
  std::optional<std::string> prior_generation_precision;

  std::vector<std::string> adapter;      // KIND[:field=value,…]; "both" = lora and dora
  std::string full_checkpoint = "diff";  // or "whole": a model beside the difference
  bool use_dora = false;
  int64_t rank = 4;
  std::optional<double> lora_alpha;
  double lora_dropout = 0.0;
  bool use_rslora = false;
  std::vector<std::string> target_modules;
  std::optional<std::string> lora_unet_blocks;  // comma-separated
  bool use_blora = false;
  std::vector<std::string> magnitude_only_modules;
  std::vector<std::string> rank_pattern;
  std::vector<std::string> alpha_pattern;
  std::string dora_norm_axis = "output";
  std::string dora_norm_gradient = "detached";
  std::string init_lora_weights = "gaussian";
  std::optional<std::string> init_adapter;

  bool train_text_encoder = false;
  std::optional<std::string> text_encoders;  // "both", "first" or "second"; absent: both
  double train_text_encoder_frac = 1.0;
  bool train_text_encoder_ti = false;
  double train_text_encoder_ti_frac = 0.5;
  std::vector<std::string> token_abstraction;             // absent: TOK
  std::optional<int64_t> num_new_tokens_per_abstraction;  // absent: 2
  std::optional<std::string> initializer_concept;

  int64_t seed = 0;
  int64_t train_batch_size = 4;
  int64_t num_train_epochs = 1;
  std::optional<int64_t> max_train_steps;
  int64_t gradient_accumulation_steps = 1;
  bool gradient_checkpointing = false;
  int64_t text_cache_mb = 256;
  double learning_rate = 1e-4;
  bool scale_lr = false;
  double text_encoder_lr = 5e-6;
  std::optional<double> text_encoder_2_lr;
  std::vector<std::string> learning_rate_pattern;  // "GLOB=factor"
  double loraplus_lr_ratio = 1.0;
  std::string lr_scheduler = "constant";
  int64_t lr_warmup_steps = 500;
  int64_t lr_num_cycles = 1;
  double lr_power = 1.0;
  std::optional<std::string> prediction_type;
  std::string loss_type = "l2";
  std::string huber_schedule = "snr";
  double huber_c = 0.1;
  bool do_edm_style_training = false;
  std::optional<double> snr_gamma;
  std::string snr_form = "add_one";
  bool debiased_estimation_loss = false;
  double noise_offset = 0.0;
  double input_perturbation = 0.0;
  int64_t multires_noise_iterations = 0;
  double multires_noise_discount = 0.3;
  bool rescale_betas_zero_snr = false;
  std::string timestep_distribution = "uniform";
  double logit_mean = 0.0;
  double logit_std = 1.0;
  int64_t min_timestep = 0;
  int64_t max_timestep = 1000;
  std::string timestep_bias_strategy = "none";
  double timestep_bias_multiplier = 1.0;
  int64_t timestep_bias_begin = 0;
  int64_t timestep_bias_end = 1000;
  double timestep_bias_portion = 0.25;

  std::string optimizer = "adamw";
  bool use_8bit_adam = false;
  double adam_beta1 = 0.9;
  double adam_beta2 = 0.999;
  double adam_weight_decay = 1e-4;
  double adam_weight_decay_text_encoder = 1e-3;
  double adam_epsilon = 1e-8;
  double max_grad_norm = 1.0;
  std::optional<double> prodigy_beta3;
  bool prodigy_decouple = true;
  bool prodigy_use_bias_correction = true;
  bool prodigy_safeguard_warmup = true;
  double lion_beta2 = 0.99;
  bool adafactor_scale_parameter = false;
  bool adafactor_relative_step = false;
  bool use_ema = false;
  double ema_decay = 0.999;

  std::string output_dir = "lora-dreambooth-model";
  std::string output_format = "diffusers";  // as convert's `to`
  int64_t checkpointing_steps = 500;
  std::optional<int64_t> checkpoints_total_limit;
  std::optional<std::string> resume_from_checkpoint;  // "latest" or a checkpoint folder
  std::optional<std::string> report_to;               // "tensorboard"
  double validation_split = 0.0;
  std::vector<std::string> validation_prompt;
  int64_t num_validation_images = 4;
  int64_t validation_steps = 100;
  std::optional<int64_t> validation_epochs;
  int64_t validation_inference_steps = 25;
  double validation_guidance_scale = 5.0;
};

const FieldList<TrainConfig>& train_fields();

struct TrainedAdapter {
  // Its own, or its kind ("lora"), with a number where one occurs twice.
  std::string name;
  std::string path;  // pytorch_lora_weights.safetensors
  double last_loss = 0.0;
  std::string embedding = {};  // <name of OUT>_emb.safetensors beside it; "" without new tokens
  std::string converted = {};  // for the reader of output_format; "" with diffusers
  int64_t parameters = 0;      // trainable
  std::string model = {};      // the merged base beside it, with full_checkpoint whole
};

struct TrainReport {
  std::vector<TrainedAdapter> adapters;
  int64_t steps = 0;  // optimizer steps done
  bool stopped = false;
  bool diverged = false;  // loss over ten times its start for 20 steps
  // Of the steps of this process, previews included: as forecast after the third, and as it was.
  double forecast_seconds = 0.0;  // 0: fewer than four steps
  double seconds = 0.0;
  std::string checkpoint;  // the last one written, "" if none
};

// As one of the processes that `processes` speaks of (src/device/process_environment.h): each has
// its rows of every batch, the first one alone writes, draws and reports. Settings are the same in
// all of them.
//
// Writes OUT/run.json, metrics.jsonl, checkpoint-N/, samples/, and the adapters, with
// train_text_encoder_ti each with its embeddings beside it.
//
// Validation is after every validation_steps and the last step. Pictures of each validation_prompt
// at each seed are drawn then, and before the first step: the base's go once to
// samples/base/base-SEED.png, an adapter's to samples/step-N/NAME-SEED.png, and all together, the
// base in the first column, to the sheet samples/step-N.png. With several prompts the prompt's
// number stands in the names: NAME-2-SEED.png. A PreviewEvent has a row a prompt and seed, column 0
// for the base, whose pictures come with the first validation of this process, and one for each
// adapter.
TrainReport train(const TrainConfig& config, Progress& progress, std::stop_token stop,
                  const ProcessEnvironment& processes = {});

}  // namespace dorabooth
