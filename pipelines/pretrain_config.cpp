// The field list of PretrainConfig.
#include "pipelines/pretrain.h"

namespace dorabooth {

namespace {

void add_base_fields(FieldList<PretrainConfig>& f) {
  f.group("Base");
  f.add("stage", &PretrainConfig::stage, "What is trained: in the order in which a base is made.")
      .one_of({"tokenizer", "vae", "unet"});
  f.add("config_dir", &PretrainConfig::config_dir,
        "A base without weights: model_index.json, each component's config.json, scheduler and "
        "tokenizers, in a diffusers folder's layout.");
  f.add("pretrained_model_name_or_path", &PretrainConfig::pretrained_model_name_or_path,
        "Weights to start from: a folder with the component. Absent: fresh ones.");
  f.add("pretrained_vae_model_name_or_path", &PretrainConfig::pretrained_vae_model_name_or_path,
        "unet: folder of the trained autoencoder, which becomes the base's.");
  f.add("mixed_precision", &PretrainConfig::mixed_precision,
        "Type of the models while computing; weights, optimizer and averages stay fp32.")
      .one_of({"no", "bf16"});
  f.add("replicas", &PretrainConfig::replicas,
        "Copies of the model, each with a share of the batch and one thread; 0: one a thread, as "
        "far as the batch goes. Bits depend on it.")
      .at_least(0)
      .at_most(1024);
  f.add("frozen_modules", &PretrainConfig::frozen_modules,
        "Globs over parameters that do not train (vae.encoder*); repeatable.");
  f.add("output_dir", &PretrainConfig::output_dir, "Where the result and its checkpoints go.");
  f.add("output_dtype", &PretrainConfig::output_dtype, "Type of the written weights.")
      .one_of({"fp32", "fp16", "bf16"});
}

void add_vocabulary_fields(FieldList<PretrainConfig>& f) {
  f.group("Vocabulary (stage tokenizer)");
  f.add("vocab_size", &PretrainConfig::vocab_size, "Pieces, the four special ones included.")
      .at_least(8)
      .at_most(1 << 20);
  f.add("model_max_length", &PretrainConfig::model_max_length, "Tokens of a prompt.")
      .at_least(4)
      .at_most(1024);
  f.add("own_pieces", &PretrainConfig::own_pieces,
        "Words that are one piece whatever the captions say, such as sks; repeatable.");
}

void add_autoencoder_fields(FieldList<PretrainConfig>& f) {
  f.group("Autoencoder (stage vae)");
  f.add("crop_size", &PretrainConfig::crop_size,
        "Side of random crops that are trained on instead of whole pictures.")
      .at_least(16)
      .at_most(4096);
  f.add("l1_scale", &PretrainConfig::l1_scale, "Weight of the mean absolute error.").at_least(0);
  f.add("l2_scale", &PretrainConfig::l2_scale, "Weight of the mean squared error.").at_least(0);
  f.add("log_l2_scale", &PretrainConfig::log_l2_scale,
        "Weight of the logarithm of each picture's mean squared error: its PSNR.")
      .at_least(0);
  f.add("gradient_scale", &PretrainConfig::gradient_scale,
        "Weight of the absolute error of differences between neighbouring pixels.")
      .at_least(0);
  f.add("pooled_scale", &PretrainConfig::pooled_scale,
        "Weight of the absolute error of means over 4x4 pixels.")
      .at_least(0);
  f.add("chroma_scale", &PretrainConfig::chroma_scale,
        "Weight of the absolute error of colour differences over 2x2 pixels.")
      .at_least(0);
  f.add("kl_scale", &PretrainConfig::kl_scale,
        "Weight of the divergence of the posterior from N(0, 1), a mean over latents.")
      .at_least(0);
  f.add("covariance_scale", &PretrainConfig::covariance_scale,
        "Weight of the squared distance of the latents' mean and covariance from 0 and identity.")
      .at_least(0);
  f.add("latent_noise", &PretrainConfig::latent_noise,
        "Deviation of the noise on latents, instead of a learned posterior.")
      .at_least(0)
      .at_most(1);
  f.add("whiten_latents", &PretrainConfig::whiten_latents,
        "At the end a linear map that makes the latents' mean 0 and covariance 1 goes into "
        "quant_conv, its inverse into post_quant_conv, and the posterior gets one deviation.");
  f.add("posterior_std", &PretrainConfig::posterior_std, "That deviation.").above(0).at_most(1);
}

void add_denoiser_fields(FieldList<PretrainConfig>& f) {
  f.group("Denoiser (stage unet)");
  f.add("proportion_empty_prompts", &PretrainConfig::proportion_empty_prompts,
        "Share of the rows that are trained with the empty prompt, for classifier-free guidance.")
      .at_least(0)
      .at_most(1);
  f.add("loss_weighting", &PretrainConfig::loss_weighting,
        "none, or velocity: 1 + 1/snr, by which an error of the noise is one of the velocity.")
      .one_of({"none", "velocity"});
  f.add("loss_weight_limit", &PretrainConfig::loss_weight_limit, "Upper bound of that weight.")
      .at_least(1);
  f.add("noise_offset", &PretrainConfig::noise_offset,
        "One more normal value a channel times this, in the noise.")
      .at_least(0)
      .at_most(1);
}

void add_run_fields(FieldList<PretrainConfig>& f) {
  f.group("Run");
  f.add("seed", &PretrainConfig::seed, "Of weights, order, crops, noise and timesteps.")
      .at_least(0);
  f.add("train_batch_size", &PretrainConfig::train_batch_size, "Pictures a step, of all copies.")
      .at_least(1)
      .at_most(65536);
  f.add("max_train_steps", &PretrainConfig::max_train_steps, "Steps of the whole run.").at_least(1);
  f.add("learning_rate", &PretrainConfig::learning_rate, "Peak learning rate of AdamW.").above(0);
  f.add("lr_scheduler", &PretrainConfig::lr_scheduler, "How the learning rate goes on.")
      .one_of({"constant", "constant_with_warmup", "linear", "cosine"});
  f.add("lr_warmup_steps", &PretrainConfig::lr_warmup_steps, "Steps up to the peak.").at_least(0);
  f.add("adam_beta1", &PretrainConfig::adam_beta1, "AdamW's first beta.").at_least(0).at_most(1);
  f.add("adam_beta2", &PretrainConfig::adam_beta2, "AdamW's second beta.").at_least(0).at_most(1);
  f.add("adam_weight_decay", &PretrainConfig::adam_weight_decay,
        "Weight decay of matrices and convolutions; biases and norms have none.")
      .at_least(0);
  f.add("adam_epsilon", &PretrainConfig::adam_epsilon, "AdamW's epsilon.").at_least(0);
  f.add("max_grad_norm", &PretrainConfig::max_grad_norm, "Clip gradients to it; 0: never.")
      .at_least(0);
  f.add("ema_decay", &PretrainConfig::ema_decay,
        "Of the average that is written; warmed up: min(decay, (1 + steps)/(10 + steps)).")
      .at_least(0)
      .at_most(1);
  f.add("checkpointing_steps", &PretrainConfig::checkpointing_steps, "Steps between checkpoints.")
      .at_least(1);
  f.add("checkpoints_total_limit", &PretrainConfig::checkpoints_total_limit,
        "Keep only the newest N checkpoints.")
      .at_least(1);
  f.add("resume_from_checkpoint", &PretrainConfig::resume_from_checkpoint,
        "latest, or a checkpoint folder to go on from.");
  f.add("report_to", &PretrainConfig::report_to, "tensorboard: event files in OUT/logs.")
      .one_of({"tensorboard"});
}

}  // namespace

const FieldList<PretrainConfig>& pretrain_fields() {
  static const FieldList<PretrainConfig> list = [] {
    FieldList<PretrainConfig> f;
    add_base_fields(f);
    f.group("Pictures");
    add_picture_fields(f);
    f.add("background_color", &DataOptions::background_color,
          "What transparent pixels lie on: white, black, gray or #rrggbb.");
    add_vocabulary_fields(f);
    add_autoencoder_fields(f);
    add_denoiser_fields(f);
    add_run_fields(f);
    return f;
  }();
  return list;
}

}  // namespace dorabooth
