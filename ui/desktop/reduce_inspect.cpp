// What a file is.
#include "ui/desktop/reduce_window.h"

namespace dorabooth {

Effects reduce_inspect(State& state, const InspectAction& action) {
  return std::visit(Overloaded{
                        [&](const InspectFile& file) -> Effects {
                          if (state.jobs[JobId::kInspect].active()) return {};
                          show_window(state, WindowId::kInspect);
                          begin_job(state, JobId::kInspect);
                          state.inspect = {};
                          state.inspect.path = file.path;
                          return {RunInspect{InspectRequest{file.path, {}}}};
                        },
                        [&](const FileInspected& done) -> Effects {
                          state.inspect = {done.path, done.report.summary, done.report.facts,
                                           done.report.problems, done.report.json};
                          return {};
                        },
                    },
                    action);
}

}  // namespace dorabooth
