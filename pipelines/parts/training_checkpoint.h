// Checkpoints of a training run: OUT/checkpoint-N with each adapter, its exact state, and what the
// run was. Whole or absent. Internal to pipelines/train.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipelines/parts/adapter_trainer.h"
#include "pipelines/parts/checkpoint_folder.h"
#include "pipelines/train.h"
#include "src/base/log.h"

namespace dorabooth {

using Trainers = std::vector<std::unique_ptr<AdapterTrainer>>;

// What a checkpoint says of its run beside the config.
struct RunFacts {
  int64_t total_steps = 0;
  int64_t processes = 1;
  std::string pictures;  // digest of the training pictures and captions
  std::map<std::string, std::string> adapter_metadata;
  // Of a run that learns new tokens: the embeddings' file name, and what stands for them.
  std::string embedding_file = {};
  std::vector<std::string> placeholders = {};
  std::map<std::string, std::string> abstractions = {};
};

// OUT/checkpoint-STEP.
std::filesystem::path checkpoint_path(const TrainConfig& config, int64_t step);

// Where an adapter's file goes: OUT for a single one, OUT/<name> in a twin run.
std::filesystem::path adapter_folder(const std::filesystem::path& output, const Trainers& trainers,
                                     const AdapterTrainer& trainer);

// An adapter's file in its folder, its embeddings' beside it ("" where the run learns none), and of
// a full fine-tuning with full_checkpoint whole the base with it in model/ ("" otherwise).
struct TrainedFiles {
  std::filesystem::path adapter;
  std::filesystem::path embedding;
  std::filesystem::path model;
};
TrainedFiles write_trained(const TrainConfig& config, const std::filesystem::path& folder,
                           const AdapterTrainer& trainer, const RunFacts& facts);

// <name of the output folder>_emb.safetensors, as the script calls it.
std::string embedding_file_name(const std::filesystem::path& output);

// Bytes of one checkpoint, for the question whether the disk has room.
uint64_t checkpoint_bytes(const TrainConfig& config, const Trainers& trainers);

// Written under a temporary name, synced, renamed; then older ones beyond the limit are removed.
// A failure leaves the earlier ones as they are.
std::filesystem::path write_checkpoint(const TrainConfig& config, int64_t step,
                                       const Trainers& trainers, const RunFacts& facts);

// A checkpoint to go on from, read and compared with the config.
struct ResumePoint {
  std::filesystem::path folder;
  int64_t step = 0;
  int64_t total_steps = 0;
  std::string pictures;
};

// Empty without resume_from_checkpoint, and with a warning where "latest" finds none (as the
// scripts do). "latest" passes over torn ones with a warning; one that is named must be whole.
// Throws where another setting would train something else.
std::optional<ResumePoint> find_resume_point(const TrainConfig& config, int64_t processes,
                                             const Log& log);

// Throws if the pictures are others or the steps are already done; loads every trainer's state.
void load_checkpoint(const ResumePoint& point, const TrainConfig& config, const RunFacts& facts,
                     const Trainers& trainers, const Log& log);

}  // namespace dorabooth
