// A checkpoint is a folder under a temporary name until it is whole and synced.
#include "pipelines/parts/checkpoint_folder.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "pipelines/parts/checkpoint_files.h"
#include "src/base/atomic_file.h"
#include "src/base/error.h"

namespace dorabooth {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr const char* kStateFile = "training_state.json";
constexpr const char* kPrefix = "checkpoint-";
constexpr const char* kFiles = "files";  // in the state: list_files()

int64_t step_of_checkpoint(const std::string& name) {
  const std::string prefix = kPrefix;
  if (!name.starts_with(prefix) || name.size() == prefix.size()) return -1;
  const std::string digits = name.substr(prefix.size());
  if (digits.find_first_not_of("0123456789") != std::string::npos || digits.size() > 15) return -1;
  return std::stoll(digits);
}

using Checkpoints = std::vector<std::pair<int64_t, fs::path>>;

// Everything in a folder that is named as checkpoints are, oldest first.
Checkpoints named_checkpoints(const fs::path& output) {
  Checkpoints found;
  if (!fs::is_directory(output)) return found;
  for (const auto& entry : fs::directory_iterator(output)) {
    const int64_t step = step_of_checkpoint(entry.path().filename().string());
    if (step >= 0) found.emplace_back(step, entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

// Those whose state is there: it is written last.
Checkpoints checkpoints_in(const fs::path& output) {
  Checkpoints found = named_checkpoints(output);
  std::erase_if(found, [](const auto& one) { return !fs::exists(one.second / kStateFile); });
  return found;
}

json parse_state(const fs::path& file) {
  json state = json::parse(read_file(file), nullptr, false);
  const bool whole = state.is_object() && state.contains("step") &&
                     state["step"].is_number_integer() && state["step"] >= 0 &&
                     state.contains("total_steps") && state["total_steps"].is_number_integer() &&
                     state.contains("pictures") && state["pictures"].is_string() &&
                     state.contains("config") && state["config"].is_object() &&
                     state.contains("environment") && state["environment"].is_object();
  if (!whole) fail(file.string(), " is not the state of a training run");
  return state;
}

// Why nothing can go on from this folder; "" if it is a whole checkpoint.
std::string damage_of(const fs::path& folder) {
  if (!fs::exists(folder / kStateFile)) return concat("it holds no ", kStateFile);
  try {
    const json state = parse_state(folder / kStateFile);
    // Those of older versions have no list.
    return state.contains(kFiles) ? damage_in(folder, state[kFiles]) : "";
  } catch (const Error& error) {
    return error.what();
  }
}

std::optional<fs::path> latest_checkpoint(const fs::path& output, const Log& log) {
  Checkpoints named = named_checkpoints(output);
  std::reverse(named.begin(), named.end());
  for (const auto& [step, folder] : named) {
    const std::string damage = damage_of(folder);
    if (damage.empty()) return folder;
    log.warning(concat("resume_from_checkpoint latest: ", folder.string(),
                       " is torn and passed over: ", damage));
  }
  log.warning(concat("resume_from_checkpoint latest: no ", named.empty() ? "" : "whole ",
                     "checkpoint in ", output.string(), ", so this run starts at its first step"));
  return std::nullopt;
}

}  // namespace

std::optional<fs::path> folder_to_resume(const fs::path& output, const std::string& named,
                                         const Log& log) {
  if (named == "latest") return latest_checkpoint(output, log);
  fs::path folder = named;
  if (!fs::exists(folder) && fs::exists(output / folder)) folder = output / folder;
  if (!fs::exists(folder)) fail("resume_from_checkpoint: no such folder: ", folder.string());
  if (const std::string damage = damage_of(folder); !damage.empty()) {
    fail("resume_from_checkpoint: ", folder.string(), " is no whole checkpoint: ", damage);
  }
  return folder;
}

json read_checkpoint_state(const fs::path& folder) { return parse_state(folder / kStateFile); }

void check_resumed_settings(const fs::path& folder, const json& then, const json& now,
                            const json& defaults, const std::set<std::string>& free) {
  for (const auto& [key, value] : now.items()) {
    const json before = then.contains(key) ? then[key] : defaults[key];
    if (!free.contains(key) && before != value) {
      fail("resume from ", folder.string(), ": it was trained with ", key, " = ", before.dump(),
           ", this run asks for ", value.dump());
    }
  }
}

void warn_of_environment(const fs::path& folder, const json& then, const json& now,
                         const Log& log) {
  for (const auto& [key, value] : then.items()) {
    if (now.contains(key) && now[key] != value) {
      log.warning(concat("resume from ", folder.string(), ": ", key, " was ", value.dump(),
                         " and is now ", now[key].dump(),
                         ", so the bits may differ from an uninterrupted run"));
    }
  }
}

void warn_of_total_steps(const fs::path& folder, int64_t then, int64_t now,
                         const std::string& lr_scheduler, const Log& log) {
  if (then == now || lr_scheduler.starts_with("constant")) return;
  log.warning(concat("resume from ", folder.string(), ": the run had ", then, " steps and now has ",
                     now, ", and the ", lr_scheduler,
                     " schedule follows that number, so the learning rate jumps and the result "
                     "is not that of an uninterrupted run"));
}

void remove_checkpoints_beyond(const fs::path& output, int64_t limit, int64_t step) {
  auto found = checkpoints_in(output);
  std::erase_if(found, [&](const auto& checkpoint) { return checkpoint.first > step; });
  while (static_cast<int64_t>(found.size()) > limit) {
    // Under the name of an unfinished one, so that a kill half way leaves no torn checkpoint.
    const fs::path unfinished = found.front().second.string() + ".tmp";
    fs::remove_all(unfinished);
    fs::rename(found.front().second, unfinished);
    fs::remove_all(unfinished);
    found.erase(found.begin());
  }
}

fs::path checkpoint_folder(const fs::path& output, int64_t step) {
  return output / concat(kPrefix, step);
}

void publish_checkpoint(const fs::path& folder, const std::function<void(const fs::path&)>& fill,
                        json state) {
  fs::path temporary = folder;
  temporary += ".tmp";
  try {
    fs::remove_all(temporary);
    fs::create_directories(temporary);
    fill(temporary);
    state[kFiles] = list_files(temporary);
    write_file_atomically(temporary / kStateFile, state.dump(2) + "\n");
    publish(temporary, folder);
  } catch (const std::exception& error) {
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
    fail("cannot write ", folder.string(), ": ", error.what());
  }
}

void remove_unfinished_checkpoints(const fs::path& output) {
  if (!fs::is_directory(output)) return;
  std::vector<fs::path> entries;
  for (const auto& entry : fs::directory_iterator(output)) entries.push_back(entry.path());
  for (const fs::path& path : entries) {
    if (step_of_checkpoint(path.stem().string()) < 0) continue;
    const std::string extension = path.extension().string();
    if (extension == ".tmp") {
      fs::remove_all(path);
    } else if (extension.starts_with(".old")) {
      const fs::path replaced = path.parent_path() / path.stem();
      fs::exists(replaced) ? static_cast<void>(fs::remove_all(path)) : fs::rename(path, replaced);
    }
  }
}

void warn_of_later_checkpoints(const fs::path& output, int64_t step, const Log& log) {
  std::string names;
  for (const auto& [number, path] : checkpoints_in(output)) {
    if (number > step) names += (names.empty() ? "" : ", ") + path.filename().string();
  }
  if (!names.empty()) {
    log.warning(concat(output.string(), " holds later checkpoints of an earlier run: ", names,
                       "; this run replaces those that it reaches"));
  }
}

}  // namespace dorabooth
