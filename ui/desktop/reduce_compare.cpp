// The comparison.
#include "ui/desktop/reduce_window.h"

namespace dorabooth {

Effects reduce_compare(State& state, const CompareAction& action) {
  JobState& job = state.jobs[JobId::kCompare];
  return std::visit(Overloaded{
                        [&](const StartCompare&) -> Effects {
                          if (job.active()) return {};
                          begin_job(state, JobId::kCompare);
                          state.compare = {};
                          return {RunCompare{state.project.compare}};
                        },
                        [&](const StopCompare&) -> Effects {
                          if (!job.active()) return {};
                          job.phase = JobState::Phase::kStopping;
                          return {StopJob{JobId::kCompare}};
                        },
                    },
                    action);
}

void reduce_compare_event(State& state, const Event& event) {
  if (std::holds_alternative<PreviewEvent>(event)) ++state.compare.pictures_drawn;
}

}  // namespace dorabooth
