// Training a base from nothing, in SDXL's architecture and any size: its vocabulary, its
// autoencoder, then its UNet together with both text encoders, each a stage of its own over folders
// of captioned pictures.
#pragma once

#include <stop_token>

#include "pipelines/data_options.h"
#include "pipelines/progress.h"

namespace dorabooth {

struct PretrainConfig : DataOptions {
  std::string stage = "unet";
  std::string config_dir;
  std::optional<std::string> pretrained_model_name_or_path;
  std::optional<std::string> pretrained_vae_model_name_or_path;
  std::string mixed_precision = "no";
  int64_t replicas = 0;  // 0: one a thread
  std::vector<std::string> frozen_modules;
  std::string output_dir = "base";
  std::string output_dtype = "fp16";

  int64_t vocab_size = 2048;
  int64_t model_max_length = 32;
  std::vector<std::string> own_pieces;

  std::optional<int64_t> crop_size;
  double l1_scale = 0.5;
  double l2_scale = 0.0;
  double log_l2_scale = 0.05;
  double gradient_scale = 0.5;
  double pooled_scale = 0.25;
  double chroma_scale = 0.25;
  double kl_scale = 0.0;
  double covariance_scale = 0.1;
  std::optional<double> latent_noise;  // absent: the posterior's own
  bool whiten_latents = false;
  double posterior_std = 1e-3;

  double proportion_empty_prompts = 0.0;
  std::string loss_weighting = "none";
  double loss_weight_limit = 15.0;
  double noise_offset = 0.0;

  int64_t seed = 0;
  int64_t train_batch_size = 16;
  int64_t max_train_steps = 1000;
  double learning_rate = 1e-3;
  std::string lr_scheduler = "cosine";
  int64_t lr_warmup_steps = 100;
  double adam_beta1 = 0.9;
  double adam_beta2 = 0.99;
  double adam_weight_decay = 1e-2;
  double adam_epsilon = 1e-8;
  double max_grad_norm = 1.0;
  double ema_decay = 0.999;

  int64_t checkpointing_steps = 1000;
  std::optional<int64_t> checkpoints_total_limit;
  std::optional<std::string> resume_from_checkpoint;  // "latest" or a checkpoint folder
  std::optional<std::string> report_to;               // "tensorboard"
};

const FieldList<PretrainConfig>& pretrain_fields();

struct PretrainReport {
  int64_t steps = 0;  // done, of the whole run
  bool stopped = false;
  double last_loss = 0.0;  // mean of the last hundred steps
  double seconds = 0.0;
  std::string checkpoint;  // the last one written, "" if none
  std::string path;        // of the result
};

// tokenizer: OUT/tokenizer and OUT/tokenizer_2, a SentencePiece vocabulary of the captions.
// vae: OUT/vae. unet: OUT is a whole base: unet, text_encoder and text_encoder_2 as trained, the
// VAE that was given, tokenizers, scheduler and model_index.json of config_dir.
//
// config_dir is a base without weights: model_index.json, a folder with config.json for each
// component, scheduler/, and (for the stage unet) tokenizer/ and tokenizer_2/. Weights start from
// pretrained_model_name_or_path where that is given. What is written at the end, and what
// checkpoints hold beside the state, are the weights' averages.
//
// OUT/run.json, metrics.jsonl and checkpoint-N/ as in pipelines/train.h. A run that was stopped and
// resumed ends with the bits of one that was not.
PretrainReport pretrain(const PretrainConfig& config, Progress& progress, std::stop_token stop);

}  // namespace dorabooth
