// What is different from the scripts, as the README's table; a test compares it with the scripts'
// parsers (tests/golden/diffusers_flags.json), so that nothing is missing or left over.
#include "src/base/error.h"
#include "ui/cli/foreign_flags.h"

namespace dorabooth {

namespace {

std::string row(const std::vector<std::string>& names, const std::string& here,
                const std::string& why) {
  std::string text = "| ";
  for (size_t i = 0; i < names.size(); ++i) text += (i ? " " : "") + ("`" + names[i] + "`");
  return text + " | " + here + " | " + why + " |\n";
}

std::string verdict_text(const ForeignFlag& flag) {
  if (flag.verdict == ForeignFlag::Verdict::kNote) return "accepted, not used";
  std::string text = "refused";
  for (size_t i = 0; i < flag.neutral.size(); ++i)
    text += concat(i ? ", " : " unless ", "`", flag.neutral[i], "`");
  return text;
}

}  // namespace

const std::vector<FlagDifference>& train_flag_differences() {
  static const std::vector<FlagDifference> differences = {
      {{"pretrained_model_name_or_path"},
       "a folder or a single file on this machine",
       "nothing is downloaded"},
      {{"instance_prompt", "caption_column"},
       "captions beside the pictures are used without being asked for, and `{caption}` stands for "
       "them in the prompt",
       "the scripts read them by `dataset_name` and `caption_column` only; so a caption that lies "
       "there is never ignored"},
      {{"image_interpolation_mode"},
       "`bilinear`, `bicubic`, `lanczos`, and `area` for `box`, of pictures that are enlarged",
       "one that shrinks is always averaged by area, which does not alias"},
      {{"num_train_epochs", "gradient_accumulation_steps"},
       "an epoch is one pass over the instance pictures; accumulation goes on over its end",
       "every step has the same number of pictures; the scripts' epoch is the longer of instance "
       "and class pictures and ends with a shorter step"},
      {{"seed"}, "0 by default, not random", "a run can be repeated to the last bit"},
      {{"mixed_precision"}, "`no` by default, not accelerate's setting", "there is no accelerate"},
      {{"adam_weight_decay_text_encoder"},
       "1e-3 by default",
       "the advanced script has none and takes `adam_weight_decay`"},
      {{"text_encoder_lr"}, "0 means 0", "the scripts then take `learning_rate`"},
      {{"use_8bit_adam", "use_blora", "lora_unet_blocks", "train_text_encoder_frac",
        "train_text_encoder_ti_frac", "token_abstraction", "num_new_tokens_per_abstraction"},
       "an error where it would have no effect, such as 8-bit Adam with another optimizer",
       "the scripts ignore it, some of them with a warning"},
      {{"train_text_encoder_frac", "train_text_encoder_ti_frac"},
       "a share of the steps",
       "the advanced script rounds down to whole epochs"},
      {{"prodigy_decouple", "prodigy_use_bias_correction", "prodigy_safeguard_warmup"},
       "`false` means false",
       "the scripts' parser takes every word for true"},
      {{"clip_skip"},
       "for class prompts and previews too",
       "the advanced script leaves it out there"},
      {{"do_edm_style_training"},
       "on bases with discrete timesteps, the loss alone",
       "it equals the script's, whose preconditioning gives the UNet the same input; for SDXL's "
       "epsilon prediction it is the usual loss"},
      {{"prior_generation_precision"},
       "absent: `mixed_precision`'s",
       "that base is in memory; the scripts load another in fp16"},
      {{"validation_epochs"},
       "absent by default: previews every `validation_steps`; after passes N, 2N, …, by the base's "
       "own sampler",
       "the scripts draw after passes 1, N + 1, …, by DPM-Solver++"},
      {{"report_to"},
       "absent by default; `wandb` and `comet_ml` are not used",
       "`metrics.jsonl` is always written; `tensorboard` adds event files"},
      {{"resume_from_checkpoint"},
       "this program's checkpoints only",
       "accelerate's hold pickles; an adapter of theirs begins a run by `--init_adapter`"},
  };
  return differences;
}

std::string script_differences_markdown() {
  std::string text = "| flag | here | why |\n| --- | --- | --- |\n";
  for (const FlagDifference& difference : train_flag_differences())
    text += row(difference.names, difference.here, difference.why);
  const std::vector<ForeignFlag>& flags = train_foreign_flags();
  for (size_t i = 0; i < flags.size();) {
    std::vector<std::string> names;
    const std::string verdict = verdict_text(flags[i]);
    const std::string why = flags[i].text;
    for (; i < flags.size() && flags[i].text == why && verdict_text(flags[i]) == verdict; ++i)
      names.emplace_back(flags[i].name);
    text += row(names, verdict, why);
  }
  return text;
}

}  // namespace dorabooth
