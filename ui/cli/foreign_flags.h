// Flags of diffusers' SDXL LoRA scripts (train_dreambooth_lora_sdxl.py and its advanced sibling)
// that are not this program's: what is harmless is accepted with a note, what would change the
// result is refused with a sentence. And what is different about those that are: both are the
// README's table.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dorabooth {

struct ForeignFlag {
  enum class Verdict { kNote, kRefused };

  const char* name;
  bool takes_value;
  Verdict verdict;
  const char* text;                       // what happens instead, or why it is refused
  std::vector<std::string_view> neutral;  // values (lower case) that a refused flag may have
  const char* folder_of = "";  // the field that takes a value which is a folder on this machine
};

const std::vector<ForeignFlag>& train_foreign_flags();

// The note on a flag that was given with this value; throws UsageError where it is refused.
// Empty where there is nothing to say: a refused flag at its neutral value.
std::string foreign_flag_note(const ForeignFlag& flag, const std::string& value);

// A value of one of our own flags as those scripts spell it ("AdamW", "wandb"). `value` becomes
// ours, or the flag is dropped (nullopt); `note` says so where it matters.
std::optional<std::string> value_from_scripts(const std::string& flag, const std::string& value,
                                              std::string& note);

// Flags of the scripts that are fields here, with another default, other choices or another
// meaning.
struct FlagDifference {
  std::vector<std::string> names;
  const char* here;
  const char* why;
};

const std::vector<FlagDifference>& train_flag_differences();

// The README's table of both, a row for each reason.
std::string script_differences_markdown();

}  // namespace dorabooth
