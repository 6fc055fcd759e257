// The parts of a training run that outlive a step, and its checkpoints. Internal to
// pipelines/train.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "datasets/batch_source.h"
#include "pipelines/adapter_trainer.h"
#include "pipelines/train.h"
#include "src/model/bundle.h"
#include "src/model/prompt_encoding.h"
#include "src/scheduler/noise_schedule.h"

namespace dorabooth {

// The adapters of a run as the config asks for them, with the names of their folders and metrics.
struct NamedSpec {
  std::string name;
  AdapterSpec spec;
};
std::vector<NamedSpec> adapter_specs(const TrainConfig& config);

// Checks what no single field can: paths, prior preservation, resume. Throws UsageError.
void check_train_config(const TrainConfig& config);

// Where an adapter's file goes: OUT for a single one, OUT/<name> in a twin run.
std::filesystem::path adapter_folder(const std::filesystem::path& output,
                                     const std::vector<std::unique_ptr<AdapterTrainer>>& trainers,
                                     const AdapterTrainer& trainer);

// run.json: the resolved config, and under "_environment" what bits depend on beside it.
void write_run_json(const TrainConfig& config);
std::string environment_json();

// Bytes of one checkpoint, for the question whether the disk has room.
uint64_t checkpoint_bytes(const std::vector<std::unique_ptr<AdapterTrainer>>& trainers);

// OUT/checkpoint-N: written under a temporary name, synced, renamed; then older ones beyond the
// limit are removed.
std::filesystem::path write_checkpoint(const TrainConfig& config, int64_t step,
                                       const std::vector<std::unique_ptr<AdapterTrainer>>& trainers,
                                       const std::map<std::string, std::string>& metadata);

// The step after which the run goes on: 0 without resume_from_checkpoint. Loads every trainer's
// state.
int64_t resume(const TrainConfig& config,
               const std::vector<std::unique_ptr<AdapterTrainer>>& trainers, const Log& log);

}  // namespace dorabooth
