// The conversion for another program, with its proof.
#include "ui/desktop/reduce_window.h"

namespace dorabooth {

namespace {

// "" if it can start.
std::string what_is_missing(const State& state) {
  const ConvertRequest& request = state.project.convert;
  if (request.adapter_path.empty()) return "choose an adapter first";
  if (request.pretrained_model_name_or_path.empty())
    return "choose the base that the adapter is for first";
  if (const auto& refused = state.form(FormId::kConvert).refused; !refused.empty())
    return "correct the setting '" + refused.begin()->first + "' first";
  return "";
}

Effects start_conversion(State& state) {
  if (state.jobs[JobId::kConvert].active() || is_refused(state, JobId::kConvert)) return {};
  show_window(state, WindowId::kExport);
  state.export_.to_tab = ExportTab::kConvert;
  if (const std::string missing = what_is_missing(state); !missing.empty()) {
    add_message(state.log, {MessageKind::kError, "convert", missing});
    return {};
  }
  begin_job(state, JobId::kConvert);
  state.convert.report.reset();
  return {RunConvert{with_place(state.project.convert)}};
}

}  // namespace

Effects reduce_convert(State& state, const ConvertAction& action) {
  JobState& job = state.jobs[JobId::kConvert];
  return std::visit(Overloaded{
                        [&](const StartConvert&) { return start_conversion(state); },
                        [&](const StopConvert&) -> Effects {
                          if (!job.active()) return {};
                          job.phase = JobState::Phase::kStopping;
                          return {StopJob{JobId::kConvert}};
                        },
                        [&](const ConvertDone& done) -> Effects {
                          if (!done.report.stopped) state.convert.report = done.report;
                          return {};
                        },
                    },
                    action);
}

}  // namespace dorabooth
