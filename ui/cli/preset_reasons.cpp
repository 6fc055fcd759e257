// Sources: the SDXL guides beside diffusers' two scripts and its DreamBooth guide, kohya's
// sdxl_train_network.md, the papers named.
#include "ui/cli/preset_readme.h"

namespace dorabooth {

const std::vector<std::pair<std::string, std::string>>& preset_reasons() {
  static const std::vector<std::pair<std::string, std::string>> reasons = {
      {"base_quantization",
       "8 GB: 2.57 billion weights of the UNet and 0.82 of the text encoders take 2.5 GB instead "
       "of "
       "6.8 in bf16. Adapters over NF4 lost nothing measurable on language models (QLoRA, Dettmers "
       "et al. 2023)."},
      {"mixed_precision",
       "The frozen base in half the memory. bf16 has fp32's range, so nothing overflows and no "
       "loss "
       "scale is needed; diffusers' advanced guide and kohya's have it."},
      {"max_train_samples", "One picture of one thing."},
      {"enable_bucket",
       "Pictures keep their proportions instead of being cut to a square; SDXL was trained in such "
       "buckets (Podell et al. 2023), and kohya's guide has them."},
      {"target_modules",
       "The quick start: all linear layers of the UNet took 4.3 % off the held-out loss, the "
       "attention projections alone 3.5 %, both with mirrored pictures (the base's model card)."},
      {"resolution", "The small base's size; SDXL's 1024 is the default."},
      {"center_crop", "The bundled icons stand in the centre."},
      {"with_prior_preservation",
       "24 GB: the class (any dog) stays what it was while the subject is learned (DreamBooth, "
       "Ruiz "
       "et al. 2023). It doubles the rows of a batch; the smaller cards go without, with which "
       "diffusers' SDXL guide had decent results."},
      {"prior_preservation_source",
       "What the frozen base predicts for `class_prompt` (edit it with the subject) is kept, so no "
       "class pictures are drawn."},
      {"adapter",
       "DoRA is better than LoRA above all in low ranks (Liu et al. 2024; diffusers' guide). 24 GB "
       "and the small base have room for both in one run, to compare."},
      {"rank",
       "A subject is less than a style. On language models DoRA is better than a LoRA of twice its "
       "rank (Liu et al. 2024); diffusers' style example has 8, kohya's guide 32."},
      {"train_text_encoder",
       "24 GB: much better results, on faces above all (diffusers' DreamBooth guide), at the "
       "default rate of 5e-6; a style needs it less."},
      {"train_batch_size",
       "With `gradient_accumulation_steps` four pictures a step on SDXL, as in diffusers' guide."},
      {"gradient_accumulation_steps", "Four pictures a step where memory holds one at a time."},
      {"max_train_steps",
       "diffusers' guides: 500 for a subject at 4 pictures a step, 1000 for a style at 3. The "
       "small "
       "base needs fewer at its higher rate."},
      {"gradient_checkpointing",
       "Activations of a 1024×1024 picture in less than a GB instead of several, for a third more "
       "time; diffusers and kohya recommend it for SDXL. A style on 24 GB has room without."},
      {"learning_rate",
       "1e-4, the default, is both guides' for SDXL. The small base is hundreds of times smaller, "
       "and 1e-3 to 2e-3 is what it was tried with (its model card)."},
      {"lr_scheduler",
       "A style run ends with small steps, so that no single picture is remembered; a subject run "
       "is short and constant, as in diffusers' guide."},
      {"lr_warmup_steps", "The default of 500 is a whole subject run; diffusers' guides have 0."},
      {"snr_gamma",
       "Keeps the nearly noiseless timesteps, whose loss says little, from dominating; 5 is the "
       "paper's (Hang et al. 2023) and diffusers' advanced guide's."},
      {"use_8bit_adam",
       "Moments in a quarter of the memory; diffusers' guide for cards under 16 GB and kohya's "
       "have "
       "it."},
      {"checkpointing_steps", "A state to go back to from a run that has learned too much."},
      {"checkpoints_total_limit", "The last two are enough to go back or on."},
  };
  return reasons;
}

}  // namespace dorabooth
