// The folders OUT/checkpoint-N of any training run: written whole or not at all, found again,
// passed over where they are torn, removed beyond a limit. What lies in them is the run's own.
// Internal to pipelines.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>

#include "src/base/log.h"
#include "src/config/field_list.h"

namespace dorabooth {

std::filesystem::path checkpoint_folder(const std::filesystem::path& output, int64_t step);

// Removes what a killed process left half written, and puts back a checkpoint that it was about to
// replace.
void remove_unfinished_checkpoints(const std::filesystem::path& output);

// Under a temporary name: `fill` writes the files, then comes `state` with their list; synced and
// renamed. A failure leaves the earlier ones as they are.
void publish_checkpoint(const std::filesystem::path& folder,
                        const std::function<void(const std::filesystem::path&)>& fill,
                        nlohmann::json state);

// Keeps the newest `limit` up to `step`. Later checkpoints belong to an abandoned run: they neither
// count nor go.
void remove_checkpoints_beyond(const std::filesystem::path& output, int64_t limit, int64_t step);

// The checkpoint that --resume_from_checkpoint names. "latest": the newest whole one; torn ones are
// passed over with a warning, and nothing is one too. One that is named must be whole.
std::optional<std::filesystem::path> folder_to_resume(const std::filesystem::path& output,
                                                      const std::string& named, const Log& log);

// The state of a whole checkpoint: step, total_steps, pictures, config, environment.
nlohmann::json read_checkpoint_state(const std::filesystem::path& folder);

// Throws if a setting outside `free` is not what it was; a setting that the checkpoint does not
// know had its default.
void check_resumed_settings(const std::filesystem::path& folder, const nlohmann::json& then,
                            const nlohmann::json& now, const nlohmann::json& defaults,
                            const std::set<std::string>& free);

// A word on everything of the environment that is not as it was.
void warn_of_environment(const std::filesystem::path& folder, const nlohmann::json& then,
                         const nlohmann::json& now, const Log& log);

// A word where the number of steps is another and the learning rate follows it.
void warn_of_total_steps(const std::filesystem::path& folder, int64_t then, int64_t now,
                         const std::string& lr_scheduler, const Log& log);

// Says which checkpoints an earlier run left behind that come after `step`.
void warn_of_later_checkpoints(const std::filesystem::path& output, int64_t step, const Log& log);

}  // namespace dorabooth
