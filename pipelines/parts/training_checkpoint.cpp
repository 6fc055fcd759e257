// A checkpoint is a folder under a temporary name until it is whole and synced.
#include "pipelines/parts/training_checkpoint.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "pipelines/parts/checkpoint_files.h"
#include "pipelines/parts/trainer_options.h"
#include "pipelines/parts/training_run.h"
#include "src/adapter/adapter_file.h"
#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/model/embedding_file.h"

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

json read_state(const fs::path& file) {
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
    const json state = read_state(folder / kStateFile);
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

std::optional<fs::path> folder_to_resume(const TrainConfig& config, const Log& log) {
  if (*config.resume_from_checkpoint == "latest") return latest_checkpoint(config.output_dir, log);
  fs::path folder = *config.resume_from_checkpoint;
  if (!fs::exists(folder) && fs::exists(fs::path(config.output_dir) / folder)) {
    folder = fs::path(config.output_dir) / folder;
  }
  if (!fs::exists(folder)) fail("resume_from_checkpoint: no such folder: ", folder.string());
  if (const std::string damage = damage_of(folder); !damage.empty()) {
    fail("resume_from_checkpoint: ", folder.string(), " is no whole checkpoint: ", damage);
  }
  return folder;
}

std::string state_file_of(const AdapterTrainer& trainer) {
  return "state-" + trainer.name() + ".safetensors";
}

// Settings that may differ between a run and its resumption without changing a bit of what is
// trained; what the schedule makes of the number of steps and whether the pictures are the same is
// checked apart.
bool is_free_to_change(const std::string& key) {
  static const std::set<std::string> names = {"output_dir",
                                              "checkpointing_steps",
                                              "checkpoints_total_limit",
                                              "resume_from_checkpoint",
                                              "report_to",
                                              "validation_prompt",
                                              "num_validation_images",
                                              "validation_steps",
                                              "validation_epochs",
                                              "validation_inference_steps",
                                              "validation_guidance_scale",
                                              "sample_batch_size",
                                              "max_train_steps",
                                              "num_train_epochs",
                                              "pretrained_model_name_or_path",
                                              "pretrained_vae_model_name_or_path",
                                              "concepts_list",
                                              "mask_data_dir",
                                              "disk_cache_dir",
                                              "memory_limit_mb",
                                              "prior_generation_precision",
                                              "instance_data_dir",
                                              "class_data_dir",
                                              "gradient_checkpointing",
                                              "text_cache_mb",
                                              "device"};
  return names.contains(key);
}

// Those of older versions were always of one.
int64_t processes_of(const json& environment) { return environment.value("processes", 1); }

// Processes and the batch of each may change together: what is drawn depends on their product.
void check_batch(const fs::path& folder, const json& state, const TrainConfig& config,
                 int64_t processes) {
  const int64_t before = processes_of(state["environment"]);
  const int64_t rows = state["config"].value("train_batch_size", TrainConfig().train_batch_size);
  if (before * rows == processes * config.train_batch_size) return;
  fail("resume from ", folder.string(), ": it was trained with ", before, " x train_batch_size ",
       rows, " rows a micro-batch (processes x rows of each), this run asks for ", processes, " x ",
       config.train_batch_size);
}

void check_settings(const fs::path& folder, const json& then, const TrainConfig& config) {
  const json now = train_fields().to_json(&config);
  const TrainConfig untouched;
  const json defaults =
      train_fields().to_json(&untouched);  // of fields younger than the checkpoint
  for (const auto& [key, value] : now.items()) {
    const json before = then.contains(key) ? then[key] : defaults[key];
    if (key != "train_batch_size" && !is_free_to_change(key) && before != value) {
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

// The text encoders stop at a share of the steps.
void warn_of_text_steps(const ResumePoint& point, const TrainConfig& config, const RunFacts& facts,
                        const Log& log) {
  const int64_t then = text_steps_of(config, point.total_steps);
  const int64_t now = text_steps_of(config, facts.total_steps);
  if (then == now || point.step <= std::min(then, now)) return;
  log.warning(concat("resume from ", point.folder.string(),
                     ": the text encoders were to train for ", then,
                     " steps and are now to train for ", now,
                     ", so the result is not that of an uninterrupted run"));
}

// Later checkpoints belong to an abandoned run: they neither count nor go.
void remove_beyond_limit(const TrainConfig& config, int64_t step) {
  if (!config.checkpoints_total_limit) return;
  auto found = checkpoints_in(config.output_dir);
  std::erase_if(found, [&](const auto& checkpoint) { return checkpoint.first > step; });
  while (static_cast<int64_t>(found.size()) > *config.checkpoints_total_limit) {
    // Under the name of an unfinished one, so that a kill half way leaves no torn checkpoint.
    const fs::path unfinished = found.front().second.string() + ".tmp";
    fs::remove_all(unfinished);
    fs::rename(found.front().second, unfinished);
    fs::remove_all(unfinished);
    found.erase(found.begin());
  }
}

}  // namespace

fs::path checkpoint_path(const TrainConfig& config, int64_t step) {
  return fs::path(config.output_dir) / concat(kPrefix, step);
}

fs::path adapter_folder(const fs::path& output, const Trainers& trainers,
                        const AdapterTrainer& trainer) {
  return trainers.size() == 1 ? output : output / trainer.name();
}

std::string embedding_file_name(const fs::path& output) {
  fs::path folder = fs::absolute(output).lexically_normal();
  if (!folder.has_filename()) folder = folder.parent_path();
  return folder.filename().string() + "_emb.safetensors";
}

TrainedFiles write_trained(const fs::path& folder, const AdapterTrainer& trainer,
                           const RunFacts& facts) {
  TrainedFiles files;
  files.adapter = folder / "pytorch_lora_weights.safetensors";
  write_adapter_file(files.adapter, trainer.set().spec(), trainer.set().tensors(),
                     facts.adapter_metadata);
  if (trainer.tokens().count() == 0) return files;
  files.embedding = folder / facts.embedding_file;
  write_embedding_file(files.embedding, {trainer.tokens(), facts.placeholders, facts.abstractions},
                       facts.adapter_metadata);
  return files;
}

uint64_t checkpoint_bytes(const Trainers& trainers) {
  uint64_t numbers = 0;
  for (const auto& trainer : trainers) {
    for (const AdapterParameter& parameter : trainer->parameters()) {
      numbers += static_cast<uint64_t>(parameter.value.numel());
    }
  }
  // The adapter once, its value and up to four buffers of the optimizer, and room for headers.
  return numbers * 6 * sizeof(float) + (1u << 20) * (1 + trainers.size());
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

fs::path write_checkpoint(const TrainConfig& config, int64_t step, const Trainers& trainers,
                          const RunFacts& facts) {
  const fs::path folder = checkpoint_path(config, step);
  fs::path temporary = folder;
  temporary += ".tmp";
  try {
    fs::remove_all(temporary);
    fs::create_directories(temporary);
    for (const auto& trainer : trainers) {
      trainer->save_state(temporary / state_file_of(*trainer));
      const AdapterTrainer::Averages averages(*trainer);
      write_trained(adapter_folder(temporary, trainers, *trainer), *trainer, facts);
    }
    const json state = {{"step", step},
                        {"total_steps", facts.total_steps},
                        {"pictures", facts.pictures},
                        {"config", train_fields().to_json(&config)},
                        {"environment", environment_of(config, facts.processes)},
                        {kFiles, list_files(temporary)}};
    write_file_atomically(temporary / kStateFile, state.dump(2) + "\n");
    publish(temporary, folder);
  } catch (const std::exception& error) {
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
    fail("cannot write ", folder.string(), ": ", error.what());
  }
  remove_beyond_limit(config, step);
  return folder;
}

std::optional<ResumePoint> find_resume_point(const TrainConfig& config, int64_t processes,
                                             const Log& log) {
  if (!config.resume_from_checkpoint) return std::nullopt;
  const std::optional<fs::path> folder = folder_to_resume(config, log);
  if (!folder) return std::nullopt;
  const json state = read_state(*folder / kStateFile);
  check_settings(*folder, state["config"], config);
  check_batch(*folder, state, config, processes);
  json then = state["environment"];
  then["processes"] = processes_of(then);
  warn_of_environment(*folder, then, environment_of(config, processes), log);
  return ResumePoint{*folder, state["step"], state["total_steps"], state["pictures"]};
}

void load_checkpoint(const ResumePoint& point, const TrainConfig& config, const RunFacts& facts,
                     const Trainers& trainers, const Log& log) {
  if (point.pictures != facts.pictures) {
    fail("resume from ", point.folder.string(),
         ": the pictures or captions are not those that it was trained on");
  }
  if (point.step > facts.total_steps) {
    fail("resume from ", point.folder.string(), ": it is after step ", point.step,
         ", this run has only ", facts.total_steps);
  }
  const bool endless = config.lr_scheduler.starts_with("constant");
  if (point.total_steps != facts.total_steps && !endless) {
    log.warning(concat("resume from ", point.folder.string(), ": the run had ", point.total_steps,
                       " steps and now has ", facts.total_steps, ", and the ", config.lr_scheduler,
                       " schedule follows that number, so the learning rate jumps and the result "
                       "is not that of an uninterrupted run"));
  }
  warn_of_text_steps(point, config, facts, log);
  for (const auto& trainer : trainers) trainer->load_state(point.folder / state_file_of(*trainer));
  log.info(concat("resumed from ", point.folder.string(), " after step ", point.step));
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
