// The field list of TrainConfig: names and defaults of diffusers' train_dreambooth_lora_sdxl.py.
#include "pipelines/train.h"

namespace dorabooth {

namespace {

void add_data_fields(FieldList<TrainConfig>& f) {
  f.group("Data");
  add_picture_fields(f);
  f.add("proportion_empty_prompts", &TrainConfig::proportion_empty_prompts,
        "Share of the rows that are trained with the empty prompt.")
      .at_least(0)
      .at_most(1);
  f.add("shuffle_caption", &TrainConfig::shuffle_caption,
        "Put a caption's parts into another order each time.");
  f.add("keep_tokens", &TrainConfig::keep_tokens,
        "Parts at a caption's beginning that stay where they are.")
      .at_least(0);
  f.add("caption_separator", &TrainConfig::caption_separator,
        "What lies between a caption's parts.");
  f.add("disk_cache_dir", &TrainConfig::disk_cache_dir,
        "Folder that keeps latents and text embeddings from run to run, and out of memory. They "
        "are found by their contents' hashes, so that none is used for another picture, prompt or "
        "base.");
  f.add("memory_limit_mb", &TrainConfig::memory_limit_mb,
        "Memory that the run may use: a run that is forecast to need more is refused, with the "
        "smallest change that fits. Absent: what the device has.")
      .at_least(1);
  f.group("Buckets");
  add_bucket_fields(f);
  f.group("Masks");
  add_mask_fields(f);
  f.group("Prior preservation");
  add_prior_fields(f);
  f.add("sample_batch_size", &TrainConfig::sample_batch_size, "Class pictures generated at a time.")
      .at_least(1)
      .at_most(256);
  f.add("prior_loss_weight", &TrainConfig::prior_loss_weight, "Weight of the prior's loss.")
      .at_least(0);
  f.add("prior_generation_precision", &TrainConfig::prior_generation_precision,
        "Type of the base that draws missing class pictures; absent or no: mixed_precision's.")
      .one_of({"no", "fp32", "fp16", "bf16"});
}

void add_adapter_fields(FieldList<TrainConfig>& f) {
  f.group("Adapter");
  f.add("adapter", &TrainConfig::adapter,
        "KIND[:rank=N,alpha=X,…], repeatable: lora, dora, vera, dvora, full (the weights "
        "themselves), or both for a twin run of lora and dora. Absent: what use_dora says. VeRA's "
        "rank is 256 unless it stands here; full takes target_modules=GLOB alone. learning_rate=X "
        "gives one of them a rate of its own, name=NAME its folder.");
  f.add("full_checkpoint", &TrainConfig::full_checkpoint,
        "What full leaves in its folder and in checkpoints: the difference from the base, which "
        "all commands take as they take an adapter, or a whole model in model/ beside it.")
      .one_of({"diff", "whole"});
  f.add("use_dora", &TrainConfig::use_dora, "Train a DoRA instead of a LoRA.");
  f.add("rank", &TrainConfig::rank, "Rank of the update.").at_least(1).at_most(4096);
  f.add("lora_alpha", &TrainConfig::lora_alpha,
        "Scale numerator; absent: the rank, so that the scale is 1.")
      .above(0);
  f.add("lora_dropout", &TrainConfig::lora_dropout, "Dropout probability of the adapters' input.")
      .at_least(0)
      .at_most(0.95);
  f.add("use_rslora", &TrainConfig::use_rslora, "Scale by alpha/sqrt(rank) instead of alpha/rank.");
  f.add("target_modules", &TrainConfig::target_modules,
        "Module name suffixes or globs, repeatable; empty: the attention projections. full takes "
        "names of parameters too; * is the whole UNet.");
  f.add("lora_unet_blocks", &TrainConfig::lora_unet_blocks,
        "Of the UNet only the attention projections of these blocks, comma-separated: "
        "unet.up_blocks.0.attentions.0,unet.mid_block.");
  f.add("use_blora", &TrainConfig::use_blora,
        "B-LoRA (Frenkel et al. 2024): of the UNet only up_blocks.0.attentions.0, which holds the "
        "content, and up_blocks.0.attentions.1, which holds the style.");
  f.add("magnitude_only_modules", &TrainConfig::magnitude_only_modules,
        "DoRA: modules beside the targets that get a magnitude and no update of the direction, "
        "repeatable; these patterns win over target_modules.");
  f.add("rank_pattern", &TrainConfig::rank_pattern,
        "GLOB=rank: another rank for some modules, repeatable.");
  f.add("alpha_pattern", &TrainConfig::alpha_pattern,
        "GLOB=alpha: another alpha for some modules, repeatable.");
  f.add("dora_norm_axis", &TrainConfig::dora_norm_axis,
        "One magnitude per output feature (PEFT, the authors' code) or per input feature.")
      .one_of({"output", "input"});
  f.add("dora_norm_gradient", &TrainConfig::dora_norm_gradient,
        "The norm is a constant for the gradient (paper eq. 11) or differentiated too (eq. 6).")
      .one_of({"detached", "full"});
  f.add("init_lora_weights", &TrainConfig::init_lora_weights,
        "A starts from N(0, 1/rank^2) or Kaiming uniform; B starts at zero.")
      .one_of({"gaussian", "kaiming"});
  f.add("init_adapter", &TrainConfig::init_adapter,
        "A LoRA or DoRA file, of any tool whose spelling is known, that the run begins as. A DoRA "
        "may begin as a LoRA.");
}

void add_text_fields(FieldList<TrainConfig>& f) {
  f.group("Text encoders");
  f.add("train_text_encoder", &TrainConfig::train_text_encoder,
        "Adapters on the text encoders too.");
  f.add("text_encoders", &TrainConfig::text_encoders,
        "Which of them train_text_encoder means; absent: both.")
      .one_of({"both", "first", "second"});
  f.add(
       "train_text_encoder_frac", &TrainConfig::train_text_encoder_frac,
       "Share of the steps after which the text encoders' adapters stay as they are; from there on "
       "each prompt is encoded once.")
      .at_least(0)
      .at_most(1);
  f.add(
      "train_text_encoder_ti", &TrainConfig::train_text_encoder_ti,
      "Pivotal tuning: new tokens are learned with the adapter, whose embeddings are saved beside "
      "it.");
  f.add("train_text_encoder_ti_frac", &TrainConfig::train_text_encoder_ti_frac,
        "Share of the steps after which the new tokens' embeddings stay as they are.")
      .at_least(0)
      .at_most(1);
  f.add("token_abstraction", &TrainConfig::token_abstraction,
        "Words that stand for new tokens in prompts and captions, comma-separated or repeated; "
        "absent: TOK.");
  f.add("num_new_tokens_per_abstraction", &TrainConfig::num_new_tokens_per_abstraction,
        "New tokens a word, <s0>, <s1>, …; absent: 2.")
      .at_least(1)
      .at_most(32);
  f.add("initializer_concept", &TrainConfig::initializer_concept,
        "Text whose tokens the new ones begin as, as many as it has; absent: random.");
}

void add_optimization_fields(FieldList<TrainConfig>& f) {
  f.group("Optimization");
  f.add("seed", &TrainConfig::seed, "Every draw of the run is a function of it.").at_least(0);
  f.add("train_batch_size", &TrainConfig::train_batch_size, "Pictures a micro-batch.")
      .at_least(1)
      .at_most(1024);
  f.add("num_train_epochs", &TrainConfig::num_train_epochs,
        "Passes over the pictures, unless max_train_steps is given.")
      .at_least(1);
  f.add("max_train_steps", &TrainConfig::max_train_steps,
        "Optimizer steps in all; overrides num_train_epochs.")
      .at_least(1);
  f.add("gradient_accumulation_steps", &TrainConfig::gradient_accumulation_steps,
        "Micro-batches an optimizer step.")
      .at_least(1)
      .at_most(4096);
  f.add("gradient_checkpointing", &TrainConfig::gradient_checkpointing,
        "Recompute blocks in the backward pass: less memory, more time.");
  f.add("text_cache_mb", &TrainConfig::text_cache_mb,
        "Memory for what frozen layers make of each prompt, while the text encoders are frozen; 0: "
        "made anew in every step, with the same result.")
      .at_least(0)
      .at_most(1 << 20);
  f.add("learning_rate", &TrainConfig::learning_rate, "Peak learning rate of the UNet's adapters.")
      .at_least(0)
      .at_most(1000);
  f.add("scale_lr", &TrainConfig::scale_lr,
        "learning_rate times gradient_accumulation_steps, train_batch_size and processes.");
  f.add("text_encoder_lr", &TrainConfig::text_encoder_lr,
        "Peak learning rate of the text encoders' adapters and of new tokens' embeddings.")
      .at_least(0)
      .at_most(1000);
  f.add("text_encoder_2_lr", &TrainConfig::text_encoder_2_lr,
        "Peak learning rate of the second text encoder's; absent: text_encoder_lr.")
      .at_least(0)
      .at_most(1000);
  f.add("learning_rate_pattern", &TrainConfig::learning_rate_pattern,
        "GLOB=factor: the learning rate of modules with such a name (unet.down_blocks.1.*) times "
        "this, repeatable; the last match counts.");
  f.add("loraplus_lr_ratio", &TrainConfig::loraplus_lr_ratio,
        "LoRA+ (Hayou et al. 2024): B learns this many times faster than A; 16 is usual.")
      .above(0);
  f.add("lr_scheduler", &TrainConfig::lr_scheduler, "Learning rate over time.")
      .one_of({"constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts",
               "polynomial"});
  f.add("lr_warmup_steps", &TrainConfig::lr_warmup_steps,
        "Steps from zero to the peak; constant has none.")
      .at_least(0);
  f.add("lr_num_cycles", &TrainConfig::lr_num_cycles, "Restarts of cosine_with_restarts.")
      .at_least(1);
  f.add("lr_power", &TrainConfig::lr_power, "Power of polynomial.").above(0);
  f.add("optimizer", &TrainConfig::optimizer, "The optimizer.")
      .one_of({"adamw", "prodigy", "lion", "adafactor", "adamw_schedule_free"});
  f.add("use_8bit_adam", &TrainConfig::use_8bit_adam,
        "adamw: moments in 8 bits (as bitsandbytes), a quarter of their memory.");
  f.add("adam_beta1", &TrainConfig::adam_beta1, "First moment's decay.").at_least(0).at_most(1);
  f.add("adam_beta2", &TrainConfig::adam_beta2, "Second moment's decay.").at_least(0).at_most(1);
  f.add("adam_weight_decay", &TrainConfig::adam_weight_decay,
        "Decoupled weight decay of the UNet's adapters.")
      .at_least(0);
  f.add("adam_weight_decay_text_encoder", &TrainConfig::adam_weight_decay_text_encoder,
        "Decoupled weight decay of the text encoders' adapters and of new tokens' embeddings.")
      .at_least(0);
  f.add("adam_epsilon", &TrainConfig::adam_epsilon, "Added to the root of the second moment.")
      .above(0);
  f.add("prodigy_beta3", &TrainConfig::prodigy_beta3,
        "Prodigy: decay of its estimate; absent: the square root of adam_beta2.")
      .at_least(0)
      .at_most(1);
  f.add("prodigy_decouple", &TrainConfig::prodigy_decouple,
        "Prodigy: weight decay beside the gradient instead of in it.");
  f.add("prodigy_use_bias_correction", &TrainConfig::prodigy_use_bias_correction,
        "Prodigy: Adam's bias correction.");
  f.add("prodigy_safeguard_warmup", &TrainConfig::prodigy_safeguard_warmup,
        "Prodigy: keep the warm-up's learning rate out of the estimate.");
  f.add("lion_beta2", &TrainConfig::lion_beta2,
        "Lion: decay of its momentum; adam_beta1 is the share of it in a step.")
      .at_least(0)
      .at_most(1);
  f.add("adafactor_scale_parameter", &TrainConfig::adafactor_scale_parameter,
        "Adafactor: steps in units of the parameter's root mean square.");
  f.add("adafactor_relative_step", &TrainConfig::adafactor_relative_step,
        "Adafactor: step size by 1/sqrt(step) instead of the learning rate.");
  f.add("use_ema", &TrainConfig::use_ema,
        "Exports and previews take an exponential moving average of the adapter.");
  f.add("ema_decay", &TrainConfig::ema_decay,
        "Its decay a step, less in the first ones: (1 + step)/(10 + step).")
      .at_least(0)
      .at_most(1);
  f.add("max_grad_norm", &TrainConfig::max_grad_norm,
        "Gradients of one adapter are scaled down to this total norm; 0: never.")
      .at_least(0);
}

void add_objective_fields(FieldList<TrainConfig>& f) {
  f.group("Objective");
  f.add("prediction_type", &TrainConfig::prediction_type,
        "Target of the UNet; absent: the base's own.")
      .one_of({"epsilon", "v_prediction"});
  f.add("do_edm_style_training", &TrainConfig::do_edm_style_training,
        "The loss by EDM's preconditioning: a v prediction's error counts by the cumulative alpha, "
        "an epsilon prediction's stays as it is.");
  f.add("loss_type", &TrainConfig::loss_type,
        "Squared error, or pseudo-Huber in one of two scales.")
      .one_of({"l2", "huber", "smooth_l1"});
  f.add("huber_schedule", &TrainConfig::huber_schedule,
        "How Huber's threshold follows the timestep.")
      .one_of({"constant", "exponential", "snr"});
  f.add("huber_c", &TrainConfig::huber_c, "Huber's threshold, or its value at the noisy end.")
      .above(0);
  f.add("snr_gamma", &TrainConfig::snr_gamma, "Min-SNR weighting (Hang et al. 2023); 5 is usual.")
      .above(0);
  f.add("snr_form", &TrainConfig::snr_form,
        "Min-SNR of v prediction: the scripts' weight plus 1, or the paper's over snr + 1.")
      .one_of({"add_one", "paper"});
  f.add("debiased_estimation_loss", &TrainConfig::debiased_estimation_loss,
        "Weight 1/sqrt(snr) (Yu et al. 2023).");
  f.add("noise_offset", &TrainConfig::noise_offset,
        "One more normal value a channel times this, so that the mean colour can move; 0.05 is "
        "usual.")
      .at_least(0);
  f.add("input_perturbation", &TrainConfig::input_perturbation,
        "Noise on the noise that the sample gets, not on the target (Ning et al. 2023); 0.1 is "
        "usual.")
      .at_least(0);
  f.add("multires_noise_iterations", &TrainConfig::multires_noise_iterations,
        "Coarser levels added to the noise (Whitaker 2023); 6 is usual, 0: none.")
      .at_least(0)
      .at_most(20);
  f.add("multires_noise_discount", &TrainConfig::multires_noise_discount,
        "Weight of a level over the one below.")
      .at_least(0)
      .at_most(1);
  f.add("rescale_betas_zero_snr", &TrainConfig::rescale_betas_zero_snr,
        "Train on the schedule rescaled to zero terminal SNR (Lin et al. 2023).");
  f.add("timestep_distribution", &TrainConfig::timestep_distribution, "How timesteps are drawn.")
      .one_of({"uniform", "logit_normal"});
  f.add("logit_mean", &TrainConfig::logit_mean, "logit_normal: mean of the logit.");
  f.add("logit_std", &TrainConfig::logit_std, "logit_normal: spread of the logit.").above(0);
  f.add("min_timestep", &TrainConfig::min_timestep, "Smallest timestep that is drawn.").at_least(0);
  f.add("max_timestep", &TrainConfig::max_timestep, "Timesteps below this are drawn.").at_least(1);
  f.add("timestep_bias_strategy", &TrainConfig::timestep_bias_strategy,
        "Which timesteps are drawn timestep_bias_multiplier times as often.")
      .one_of({"none", "earlier", "later", "range"});
  f.add("timestep_bias_multiplier", &TrainConfig::timestep_bias_multiplier, "How much more often.")
      .at_least(0);
  f.add("timestep_bias_begin", &TrainConfig::timestep_bias_begin, "range: its first timestep.")
      .at_least(0);
  f.add("timestep_bias_end", &TrainConfig::timestep_bias_end, "range: the timestep after its last.")
      .at_least(0);
  f.add("timestep_bias_portion", &TrainConfig::timestep_bias_portion,
        "earlier, later: share of the timesteps.")
      .at_least(0)
      .at_most(1);
}

void add_output_fields(FieldList<TrainConfig>& f) {
  f.group("Output");
  f.add("output_dir", &TrainConfig::output_dir, "Where everything is written.");
  f.add("output_format", &TrainConfig::output_format,
        "Whom the trained adapters are written for, in the words of convert's --to: beside "
        "pytorch_lora_weights.safetensors, which is always there and is what checkpoints hold, "
        "NAME_FORMAT.safetensors (peft: the folder NAME_peft), as convert writes it.")
      .one_of({"diffusers", "peft", "kohya", "kohya-sgm", "comfyui"});
  f.add("checkpointing_steps", &TrainConfig::checkpointing_steps,
        "A checkpoint every N optimizer steps.")
      .at_least(1);
  f.add("checkpoints_total_limit", &TrainConfig::checkpoints_total_limit,
        "Older checkpoints are removed beyond this number.")
      .at_least(1);
  f.add("resume_from_checkpoint", &TrainConfig::resume_from_checkpoint,
        "latest, or a checkpoint folder.");
  f.add("report_to", &TrainConfig::report_to, "Event files beside metrics.jsonl.")
      .one_of({"tensorboard"});
  f.add("validation_split", &TrainConfig::validation_split,
        "Share of the pictures that are held out: their loss at fixed noise and timesteps is "
        "measured "
        "every validation_steps, and the lowest is named at the end.")
      .at_least(0)
      .at_most(0.9);
  f.add("validation_prompt", &TrainConfig::validation_prompt,
        "Prompt of the previews, repeatable: each is drawn by the base and by every adapter before "
        "the first step, every validation_steps and at the end.");
  f.add("num_validation_images", &TrainConfig::num_validation_images,
        "Previews of each prompt, seeds from the run's seed on.")
      .at_least(1)
      .at_most(64);
  f.add("validation_steps", &TrainConfig::validation_steps,
        "Previews and held-out losses every N optimizer steps.")
      .at_least(1);
  f.add("validation_epochs", &TrainConfig::validation_epochs,
        "The same every N passes over the pictures; overrides validation_steps.")
      .at_least(1);
  f.add("validation_inference_steps", &TrainConfig::validation_inference_steps,
        "Denoising steps of a preview.")
      .at_least(1)
      .at_most(1000);
  f.add("validation_guidance_scale", &TrainConfig::validation_guidance_scale,
        "Guidance of the previews.")
      .at_least(0)
      .at_most(100);
}

}  // namespace

const FieldList<TrainConfig>& train_fields() {
  static const FieldList<TrainConfig> list = [] {
    FieldList<TrainConfig> f;
    add_model_fields(f);
    f.add("mixed_precision", &TrainConfig::mixed_precision,
          "Type of the frozen base while training; adapters stay fp32.")
        .one_of({"no", "fp16", "bf16"});
    add_clip_skip_field(f, &TrainConfig::clip_skip);
    add_data_fields(f);
    add_adapter_fields(f);
    add_text_fields(f);
    add_optimization_fields(f);
    add_objective_fields(f);
    add_output_fields(f);
    return f;
  }();
  return list;
}

}  // namespace dorabooth
