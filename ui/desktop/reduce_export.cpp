// The merge.
#include "ui/desktop/reduce_window.h"

namespace dorabooth {

Effects reduce_export(State& state, const ExportAction& action) {
  JobState& job = state.jobs[JobId::kMerge];
  return std::visit(Overloaded{
                        [&](const StartMerge&) -> Effects {
                          if (job.active()) return {};
                          begin_job(state, JobId::kMerge);
                          state.export_ = {};
                          return {RunMerge{state.project.merge}};
                        },
                        [&](const StopMerge&) -> Effects {
                          if (!job.active()) return {};
                          job.phase = JobState::Phase::kStopping;
                          return {StopJob{JobId::kMerge}};
                        },
                        [&](const MergeDone& done) -> Effects {
                          state.export_.receipt = done.receipt;
                          return {};
                        },
                    },
                    action);
}

}  // namespace dorabooth
