// The table of the scripts' flags that have no field here.
#include "ui/cli/foreign_flags.h"

#include <algorithm>
#include <cctype>

#include "src/base/error.h"

namespace dorabooth {

namespace {

std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

}  // namespace

const std::vector<ForeignFlag>& train_foreign_flags() {
  constexpr auto kNote = ForeignFlag::Verdict::kNote;
  constexpr auto kRefused = ForeignFlag::Verdict::kRefused;
  static const std::vector<ForeignFlag> flags = {
      {"allow_tf32", false, kNote, "LibTorch's default for fp32 products stays", {}},
      {"cache_dir", true, kNote, "nothing is downloaded", {}},
      {"cache_latents", false, kNote, "latents are always cached", {}},
      {"dataloader_num_workers", true, kNote, "pictures are read once, before the first step", {}},
      {"enable_xformers_memory_efficient_attention",
       false,
       kNote,
       "attention is LibTorch's fused one",
       {}},
      {"hub_model_id", true, kNote, "nothing is uploaded", {}},
      {"hub_token", true, kNote, "nothing is uploaded", {}},
      {"push_to_hub", false, kNote, "nothing is uploaded", {}},
      {"local_rank", true, kNote, "this is one process", {}},
      {"logging_dir", true, kNote, "metrics and event files lie in --output_dir", {}},
      {"num_new_tokens_per_abstraction", true, kNote, "textual inversion only", {}},
      {"revision", true, kNote, "the base is a folder or file on this machine", {}},
      {"token_abstraction",
       true,
       kNote,
       "textual inversion only; the prompt is taken as it is",
       {}},
      {"train_text_encoder_ti_frac", true, kNote, "textual inversion only", {}},
      {"validation_epochs",
       true,
       kNote,
       "previews come every --validation_steps optimizer steps",
       {}},

      {"clip_skip", true, kRefused, "the text encoders' penultimate layer is used", {"none"}},
      {"dataset_config_name", true, kRefused, "give a folder by --instance_data_dir", {"none"}},
      {"dataset_name", true, kRefused, "give a folder by --instance_data_dir", {"none"}},
      {"do_edm_style_training", false, kRefused, "there is no EDM training", {}},
      {"image_column",
       true,
       kRefused,
       "metadata.jsonl names its pictures by file_name",
       {"image", "file_name"}},
      {"image_interpolation_mode", true, kRefused, "pictures are resized by Lanczos", {"lanczos"}},
      {"lora_unet_blocks", true, kRefused, "choose modules by --target_modules", {"none"}},
      {"output_kohya_format", false, kRefused, "adapters are saved as diffusers saves them", {}},
      {"pretrained_vae_model_name_or_path",
       true,
       kRefused,
       "the VAE is the base's own: put another one into the base's vae folder",
       {"none"}},
      {"prior_generation_precision",
       true,
       kRefused,
       "class pictures are drawn in --mixed_precision",
       {"none"}},
      {"prodigy_beta3", true, kRefused, "it is the square root of --adam_beta2", {"none"}},
      {"prodigy_decouple", true, kRefused, "weight decay is decoupled", {"true", "1"}},
      {"scale_lr", false, kRefused, "give the scaled value by --learning_rate", {}},
      {"train_text_encoder_frac",
       true,
       kRefused,
       "the text encoders train to the end",
       {"1", "1.0"}},
      {"train_text_encoder_ti", false, kRefused, "there is no textual inversion", {}},
      {"use_blora", false, kRefused, "choose modules by --target_modules", {}},
  };
  return flags;
}

std::string foreign_flag_note(const ForeignFlag& flag, const std::string& value) {
  const std::string shown = concat("--", flag.name, value.empty() ? "" : " ", value);
  if (flag.verdict == ForeignFlag::Verdict::kNote) return concat(shown, ": not used: ", flag.text);
  const std::string word = lower_case(value);
  const bool is_neutral =
      std::find(flag.neutral.begin(), flag.neutral.end(), word) != flag.neutral.end();
  if (is_neutral) return "";
  throw UsageError(concat(shown, " is not supported and would change the result: ", flag.text));
}

std::optional<std::string> value_from_scripts(const std::string& flag, const std::string& value,
                                              std::string& note) {
  if (flag == "optimizer") return lower_case(value);
  if (flag == "report_to" && (value == "wandb" || value == "comet_ml" || value == "all")) {
    note =
        concat("--report_to ", value, ": not used: metrics.jsonl is always written, event files ",
               "by --report_to tensorboard");
    if (value == "all") return "tensorboard";
    return std::nullopt;
  }
  return value;
}

}  // namespace dorabooth
