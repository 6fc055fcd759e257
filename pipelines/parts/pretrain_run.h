// The loop that the stages of pretraining share: steps, learning rate, metrics, progress,
// checkpoints and their resumption. Internal to pipelines/pretrain.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "pipelines/parts/weight_replicas.h"
#include "pipelines/pretrain.h"

namespace dorabooth {

// What a stage does in one step, for one copy of the model: its forward and backward pass with its
// share of the rows. Called for all copies at once.
class PretrainStage {
 public:
  virtual ~PretrainStage() = default;
  // Returns the numbers to report, the copy's share of each: the first is the loss.
  virtual std::vector<std::pair<std::string, double>> backward(size_t replica, int64_t step) = 0;
};

// How many copies a run has; to be asked outside parallel loops, which know one thread only.
size_t replica_count(const PretrainConfig& config);
// The rows of one copy: [first, first + count) of the batch.
struct RowRange {
  int64_t first = 0;
  int64_t count = 0;
};
RowRange rows_of_replica(int64_t batch_size, size_t replicas, size_t replica);

ReplicaOptions replica_options_of(const PretrainConfig& config);

// Writes run.json, resumes where the config says so, and steps until the end or a stop, which
// leaves a checkpoint. `pictures` is a digest of what is trained on.
PretrainReport run_steps(const PretrainConfig& config, PretrainStage& stage,
                         WeightReplicas& weights, const std::string& pictures, Progress& progress,
                         std::stop_token stop);

}  // namespace dorabooth
