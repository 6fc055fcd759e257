// What the windows know of the jobs: one of each kind at a time.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace dorabooth {

// kFiles reads and lists files; the others run a pipeline.
enum class JobId { kTrain, kCompare, kMerge, kConvert, kAnalyze, kInspect, kDataset, kFiles };
constexpr size_t kJobCount = 8;

struct JobState {
  enum class Phase { kIdle, kRunning, kPaused, kStopping, kFinished, kStopped, kFailed };

  Phase phase = Phase::kIdle;
  std::string what;  // of the job is being done: "encode instance pictures", "train"
  int64_t step = 0;  // finished so far, of `total`
  int64_t total = 0;
  double seconds_per_step = 0.0;
  double seconds_left = 0.0;
  double memory_mb =
      0.0;  // peak: of the GPU where the job is on one, else of this process; 0: not told
  std::string message;  // the summary, or the error in full

  bool active() const {
    return phase == Phase::kRunning || phase == Phase::kPaused || phase == Phase::kStopping;
  }
};

class JobStates {
 public:
  JobState& operator[](JobId id) { return states_[static_cast<size_t>(id)]; }
  const JobState& operator[](JobId id) const { return states_[static_cast<size_t>(id)]; }
  bool any_active() const {
    for (const JobState& state : states_) {
      if (state.active()) return true;
    }
    return false;
  }

 private:
  std::array<JobState, kJobCount> states_;
};

}  // namespace dorabooth
