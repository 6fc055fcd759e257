// The sentences name the keys of the menu: what they say is done without looking for a button.
#include "ui/desktop/heavy_jobs.h"

#include <algorithm>

#include "src/base/error.h"

namespace dorabooth {

namespace {

struct HeavyJob {
  JobId job;
  const char* name;
  const char* unit;
  const char* way_out;
  const char* stop_means;
};

constexpr HeavyJob kSentences[] = {
    {JobId::kTrain, "The training", "step",
     "wait for its end, or stop it (F8); a stopped run can be continued",
     "Stopped, it saves a checkpoint first, and the Train window offers to continue it at the "
     "next start."},
    {JobId::kCompare, "The comparison", "step",
     "wait for its end, or stop it (Ctrl+Shift+Enter); the pictures that are finished stay",
     "Stopped, the finished pictures stay, and Draw makes the others."},
    {JobId::kMerge, "The merge", "tensor",
     "wait for its end, or stop it (Ctrl+Shift+M) and start it anew later",
     "Stopped, it leaves nothing behind and has to be started anew."},
    {JobId::kConvert, "The conversion", "layer",
     "wait for its end, or stop it (Ctrl+Shift+K) and start it anew later",
     "Stopped, it has to be started anew."},
    {JobId::kAnalyze, "The analysis", "layer",
     "wait for its end, or stop it (Ctrl+Shift+T) and start it anew later",
     "Stopped, it shows nothing and has to be started anew."},
};

std::string state_text(const HeavyJob& of, const JobState& job) {
  const char* phase = job.phase == JobState::Phase::kPaused     ? " is paused"
                      : job.phase == JobState::Phase::kStopping ? " is stopping"
                                                                : " is running";
  std::string text = concat(of.name, phase);
  if (job.total > 0) text += concat(" (", of.unit, " ", job.step, " of ", job.total, ")");
  return text;
}

}  // namespace

bool is_heavy(JobId job) { return std::ranges::find(kHeavyJobs, job) != std::end(kHeavyJobs); }

bool any_heavy_active(const JobStates& jobs) {
  return std::ranges::any_of(kHeavyJobs, [&](JobId job) { return jobs[job].active(); });
}

std::string what_is_in_the_way(const JobStates& jobs, JobId wanted) {
  for (const HeavyJob& one : kSentences) {
    const JobState& job = jobs[one.job];
    if (one.job == wanted || !job.active()) continue;
    if (job.phase == JobState::Phase::kStopping)
      return concat(state_text(one, job), ": wait a moment.");
    return concat(state_text(one, job), " and needs the machine for itself: ", one.way_out, ".");
  }
  return "";
}

std::string what_a_stop_means(const JobStates& jobs) {
  std::string text;
  for (const HeavyJob& one : kSentences) {
    if (!jobs[one.job].active()) continue;
    text += concat(text.empty() ? "" : "\n", state_text(one, jobs[one.job]), ". ", one.stop_means);
  }
  return text;
}

}  // namespace dorabooth
