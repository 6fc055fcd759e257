// The prompts of a request: its own, and a file's.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace dorabooth {

// `prompts` and then those of the file, one a line; blank lines are passed over. UsageError if
// there is none.
std::vector<std::string> prompt_list(const std::vector<std::string>& prompts,
                                     const std::optional<std::string>& prompts_file);

}  // namespace dorabooth
