// The processes of a training run and what they agree on. The first one writes, draws and reports;
// all train. A run of one process is the same with nobody to wait for. Internal to pipelines/train.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "datasets/batch_source.h"
#include "pipelines/parts/training_checkpoint.h"
#include "pipelines/progress.h"
#include "pipelines/train.h"
#include "src/adapter/set.h"
#include "src/base/log.h"
#include "src/device/device.h"
#include "src/device/process_group.h"

namespace dorabooth {

class TrainingProcesses {
 public:
  explicit TrainingProcesses(const ProcessEnvironment& environment) : environment_(environment) {}

  // Meets the others and compares settings and the kind of device. Throws, naming what differs.
  void join(const TrainConfig& config, const Device& device, const Log& log);

  int64_t rank() const { return environment_.rank; }
  int64_t size() const { return environment_.size; }
  int64_t on_this_machine() const { return environment_.local_size; }
  bool is_first() const { return environment_.rank == 0; }
  // Null for one process.
  ProcessGroup* group() const { return group_.get(); }

  // Whether any process says so. All of them meet here, however long one of them takes.
  bool any(bool value) const { return group_ ? group_->any(value) : value; }
  void meet() const;
  // Which rows of the whole batch those of a part are, for the dropout masks: class rows have a
  // draw of their own. `part` is all of a batch that goes through the model at once.
  std::vector<RowSpan> rows_of(const TrainingBatch& part, int64_t batch_size) const;
  // What every process read and drew for itself is the same. Throws, naming what is not.
  void require_same_start(const RunFacts& facts, int64_t first_step,
                          const Trainers& trainers) const;
  // Tells how much was exchanged, warns where copies of an adapter have drifted apart, and lets go
  // once all have come here.
  void end_together(const Trainers& trainers, const Log& log) const;

 private:
  // Both compare texts of all processes; `what` is used once in a run.
  bool same(const std::string& what, const std::string& text) const;
  void require_same(const std::string& what, const std::string& text) const;
  void report(const Log& log) const;

  ProcessEnvironment environment_;
  std::unique_ptr<ProcessGroup> group_;
};

// What of a batch goes through the model at once: its rows, then class rows of another size.
std::vector<TrainingBatch> parts_of(const TrainingBatch& batch);

// What a process other than the first tells: warnings, with its number before them.
class OtherProcessProgress : public Progress {
 public:
  OtherProcessProgress(Progress& progress, std::string label)
      : progress_(progress), label_(std::move(label)) {}
  void on(const Event& event) override;

 private:
  Progress& progress_;
  std::string label_;
};

}  // namespace dorabooth
