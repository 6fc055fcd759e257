// A checkpoint is a folder under a temporary name until it is whole and synced.
#include "pipelines/parts/training_checkpoint.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "pipelines/merge.h"
#include "pipelines/parts/checkpoint_folder.h"
#include "pipelines/parts/trainer_options.h"
#include "pipelines/parts/training_run.h"
#include "src/adapter/adapter_contents.h"
#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/model/embedding_file.h"

namespace dorabooth {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

std::string state_file_of(const AdapterTrainer& trainer) {
  return "state-" + trainer.name() + ".safetensors";
}

// Settings that may differ between a run and its resumption without changing a bit of what is
// trained; what the schedule makes of the number of steps and whether the pictures are the same is
// checked apart.
const std::set<std::string>& free_settings() {
  static const std::set<std::string> names = {"output_dir",
                                              "output_format",
                                              "full_checkpoint",
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
                                              "device",
                                              "train_batch_size"};  // checked apart
  return names;
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

}  // namespace

fs::path checkpoint_path(const TrainConfig& config, int64_t step) {
  return checkpoint_folder(config.output_dir, step);
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

namespace {

class Silent : public Progress {
 public:
  void on(const Event&) override {}
};

// The base with the difference in it, each tensor in the base's own type.
fs::path write_whole_model(const TrainConfig& config, const fs::path& difference) {
  MergeRequest request;
  request.pretrained_model_name_or_path = config.pretrained_model_name_or_path;
  request.variant = config.variant;
  request.config_dir = config.config_dir;
  request.adapter_path = {difference.string()};
  const fs::path folder = difference.parent_path() / "model";
  request.output_dir = folder.string();
  Silent silent;
  write_merged(request, silent, {});
  return folder;
}

// All files, of which a model's folder holds little beside weights.
uint64_t bytes_of_base(const std::string& path) {
  if (!fs::is_directory(path)) return fs::file_size(path);
  uint64_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  return bytes;
}

}  // namespace

TrainedFiles write_trained(const TrainConfig& config, const fs::path& folder,
                           const AdapterTrainer& trainer, const RunFacts& facts) {
  TrainedFiles files;
  files.adapter = folder / "pytorch_lora_weights.safetensors";
  auto metadata = facts.adapter_metadata;
  for (const char* key : {"ss_learning_rate", "ss_unet_lr"}) {
    if (metadata.contains(key)) metadata[key] = concat(trainer.learning_rate());
  }
  if (const FullWeights* full = trainer.full()) {
    AdapterContents contents;
    contents.file.spec = trainer.set().spec();
    contents.patches = full->differences();
    write_kohya_contents(files.adapter, contents, nullptr, metadata);
    if (config.full_checkpoint == "whole") files.model = write_whole_model(config, files.adapter);
  } else {
    write_adapter_file(files.adapter, trainer.set().spec(), trainer.set().tensors(), metadata);
  }
  if (trainer.tokens().count() == 0) return files;
  files.embedding = folder / facts.embedding_file;
  write_embedding_file(files.embedding, {trainer.tokens(), facts.placeholders, facts.abstractions},
                       facts.adapter_metadata);
  return files;
}

uint64_t checkpoint_bytes(const TrainConfig& config, const Trainers& trainers) {
  uint64_t numbers = 0;
  uint64_t models = 0;
  for (const auto& trainer : trainers) {
    if (trainer->full() && config.full_checkpoint == "whole") {
      models += bytes_of_base(config.pretrained_model_name_or_path);
    }
    for (const AdapterParameter& parameter : trainer->parameters()) {
      numbers += static_cast<uint64_t>(parameter.value.numel());
    }
  }
  // The adapter once, its value and up to four buffers of the optimizer, and room for headers.
  return numbers * 6 * sizeof(float) + models + (1u << 20) * (1 + trainers.size());
}

fs::path write_checkpoint(const TrainConfig& config, int64_t step, const Trainers& trainers,
                          const RunFacts& facts) {
  const fs::path folder = checkpoint_path(config, step);
  const auto fill = [&](const fs::path& temporary) {
    for (const auto& trainer : trainers) {
      trainer->save_state(temporary / state_file_of(*trainer));
      const AdapterTrainer::Averages averages(*trainer);
      write_trained(config, adapter_folder(temporary, trainers, *trainer), *trainer, facts);
    }
  };
  publish_checkpoint(folder, fill,
                     {{"step", step},
                      {"total_steps", facts.total_steps},
                      {"pictures", facts.pictures},
                      {"config", train_fields().to_json(&config)},
                      {"environment", environment_of(config, facts.processes)}});
  if (config.checkpoints_total_limit)
    remove_checkpoints_beyond(config.output_dir, *config.checkpoints_total_limit, step);
  return folder;
}

std::optional<ResumePoint> find_resume_point(const TrainConfig& config, int64_t processes,
                                             const Log& log) {
  if (!config.resume_from_checkpoint) return std::nullopt;
  const std::optional<fs::path> folder =
      folder_to_resume(config.output_dir, *config.resume_from_checkpoint, log);
  if (!folder) return std::nullopt;
  const json state = read_checkpoint_state(*folder);
  const TrainConfig untouched;
  check_resumed_settings(*folder, state["config"], train_fields().to_json(&config),
                         train_fields().to_json(&untouched), free_settings());
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
  warn_of_total_steps(point.folder, point.total_steps, facts.total_steps, config.lr_scheduler, log);
  warn_of_text_steps(point, config, facts, log);
  for (const auto& trainer : trainers) trainer->load_state(point.folder / state_file_of(*trainer));
  log.info(concat("resumed from ", point.folder.string(), " after step ", point.step));
}

}  // namespace dorabooth
