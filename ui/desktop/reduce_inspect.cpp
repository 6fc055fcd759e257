// What a file is, and what other programs make of an adapter on the project's base.
#include "ui/desktop/reduce_window.h"

namespace dorabooth {

namespace {

Effects start(State& state, const std::string& path) {
  if (state.jobs[JobId::kInspect].active()) return {};
  show_window(state, WindowId::kInspect);
  begin_job(state, JobId::kInspect);
  state.inspect = {};
  state.inspect.path = path;
  InspectRequest request;
  request.path = path;
  if (const auto& base = state.project.train.pretrained_model_name_or_path; !base.empty())
    request.pretrained_model_name_or_path = base;
  return {RunInspect{request}};
}

}  // namespace

Effects reduce_inspect(State& state, const InspectAction& action) {
  JobState& job = state.jobs[JobId::kInspect];
  return std::visit(Overloaded{
                        [&](const InspectFile& file) { return start(state, file.path); },
                        [&](const StopInspect&) -> Effects {
                          if (!job.active()) return {};
                          job.phase = JobState::Phase::kStopping;
                          return {StopJob{JobId::kInspect}};
                        },
                        [&](const FileInspected& done) -> Effects {
                          InspectState& inspect = state.inspect;
                          inspect.path = done.request.path;
                          inspect.summary = done.report.summary;
                          inspect.facts = done.report.facts;
                          inspect.problems = done.report.problems;
                          inspect.adapter = done.report.kind == "adapter";
                          inspect.base = done.request.pretrained_model_name_or_path.value_or("");
                          inspect.readers = done.report.readers;
                          inspect.json = done.report.json;
                          return {};
                        },
                    },
                    action);
}

}  // namespace dorabooth
