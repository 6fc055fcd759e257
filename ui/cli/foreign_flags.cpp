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
  const char* xformers = "enable_xformers_memory_efficient_attention";
  static const std::vector<ForeignFlag> flags = {
      {"push_to_hub", false, kNote, "nothing is uploaded", {}},
      {"hub_model_id", true, kNote, "nothing is uploaded", {}},
      {"hub_token", true, kNote, "nothing is uploaded", {}},
      {"cache_dir", true, kNote, "nothing is downloaded", {}},
      {"revision", true, kNote, "nothing is downloaded", {}},
      {"logging_dir", true, kNote, "metrics and event files lie in --output_dir", {}},
      {"allow_tf32", false, kNote, "LibTorch's default for fp32 products stays", {}},
      {xformers, false, kNote, "attention is LibTorch's fused one", {}},
      {"cache_latents", false, kNote, "latents are always cached", {}},
      {"dataloader_num_workers", true, kNote, "pictures are read once, before the first step", {}},
      {"local_rank", true, kNote, "the launcher says it in the environment (LOCAL_RANK)", {}},

      {"dataset_name",
       true,
       kRefused,
       "nothing is downloaded; a folder on this machine is taken as --instance_data_dir",
       {"none"},
       "instance_data_dir"},
      {"dataset_config_name", true, kRefused, "the pictures are those of one folder", {"none"}},
      {"image_column",
       true,
       kRefused,
       "metadata.jsonl names its pictures by file_name",
       {"image", "file_name"}},
      {"output_kohya_format", false, kRefused, "adapters are saved as diffusers saves them", {}},
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
