// Shared by sample and compare.
#include "pipelines/prompt_list.h"

#include <sstream>

#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/base/trimmed.h"

namespace dorabooth {

std::vector<std::string> prompt_list(const std::vector<std::string>& prompts,
                                     const std::optional<std::string>& prompts_file) {
  std::vector<std::string> all = prompts;
  if (prompts_file) {
    std::istringstream lines(read_file(*prompts_file));
    for (std::string line; std::getline(lines, line);) {
      if (const std::string prompt = trimmed(line); !prompt.empty()) all.push_back(prompt);
    }
  }
  if (all.empty()) {
    throw UsageError(prompts_file
                         ? concat("--prompts_file ", *prompts_file, " holds no prompt")
                         : "--prompt or --prompts_file is missing: want at least one prompt");
  }
  return all;
}

}  // namespace dorabooth
