// One optimizer step of all trainers of a run: the micro-batches, each adapter's forward and
// backward after the other, the sums over processes, the updates. Internal to pipelines/train.
#pragma once

#include <set>
#include <stop_token>
#include <vector>

#include "pipelines/parts/batch_loss.h"
#include "pipelines/parts/training_checkpoint.h"
#include "pipelines/parts/training_processes.h"
#include "src/optimizer/lr_schedule.h"

namespace dorabooth {

// What a step works with; all of it outlives the TrainingStep.
struct StepParts {
  const TrainConfig& config;
  const BatchSource& batches;
  const BatchLoss& batch_loss;
  const TrainingText& text;
  const Trainers& trainers;
  const std::set<const AdapterTrainer*>& train_text;  // those that change a text encoder's output
  const LrSchedule& lr;
  const TrainingProcesses& processes;
  std::stop_token stop;
  Log log;
};

class TrainingStep {
 public:
  explicit TrainingStep(StepParts parts) : parts_(std::move(parts)) {}

  // Step `step`, counted from 0 over the whole run. Throws if a loss or a gradient is not finite,
  // but for gradients that a scaled loss made overflow: those are left out.
  void run(int64_t step);

  // Of the last step, one a trainer, the same in all processes.
  const std::vector<double>& losses() const { return losses_; }
  const std::vector<double>& grad_norms() const { return grad_norms_; }
  // Whether a process was asked to stop before that step's gradients were added up. Never for one
  // process, which asks its own token.
  bool stop_agreed() const { return stop_agreed_; }

 private:
  void micro_step(size_t index, const TrainingBatch& batch, const at::Tensor& prior_target,
                  int64_t number);
  void begin_sum(size_t index);
  void end_sum(size_t index, int64_t step);
  void check_gradient(size_t index, int64_t step) const;

  StepParts parts_;
  std::vector<double> losses_;
  std::vector<double> grad_norms_;
  bool stop_agreed_ = false;
};

}  // namespace dorabooth
