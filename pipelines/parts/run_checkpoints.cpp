#include "pipelines/parts/run_checkpoints.h"

#include <charconv>
#include <filesystem>
#include <map>
#include <utility>

#include "src/base/error.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

constexpr const char* kCheckpoint = "checkpoint-";
constexpr const char* kWeights = "pytorch_lora_weights.safetensors";

// The N of checkpoint-N; -1 for another name.
int64_t checkpoint_step(const std::string& name) {
  if (name.rfind(kCheckpoint, 0) != 0) return -1;
  const std::string digits = name.substr(std::string(kCheckpoint).size());
  int64_t step = -1;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, step);
  return error == std::errc() && stop == end ? step : -1;
}

}  // namespace

std::vector<CheckpointAdapter> checkpoint_adapters(const std::string& run_folder) {
  std::map<std::pair<std::string, int64_t>, std::string> found;  // by adapter's folder and step
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(run_folder, ignored)) {
    const int64_t step = checkpoint_step(entry.path().filename().string());
    if (step < 0 || !entry.is_directory(ignored)) continue;
    if (fs::exists(entry.path() / kWeights, ignored))
      found[{"", step}] = (entry.path() / kWeights).string();
    for (const fs::directory_entry& inside : fs::directory_iterator(entry.path(), ignored)) {
      if (fs::exists(inside.path() / kWeights, ignored))
        found[{inside.path().filename().string(), step}] = (inside.path() / kWeights).string();
    }
  }
  if (found.empty()) {
    throw UsageError(concat(run_folder, ": no ", kCheckpoint, "N with a ", kWeights,
                            " lies in it: want the output_dir of a training run"));
  }
  std::vector<CheckpointAdapter> adapters;
  for (const auto& [key, path] : found) adapters.push_back({key.first, key.second, path});
  return adapters;
}

}  // namespace dorabooth
