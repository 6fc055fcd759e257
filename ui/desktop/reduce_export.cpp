// The merge: its plan, the run, the receipt.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "ui/desktop/reduce_window.h"

namespace dorabooth {

namespace {

Effects check(State& state) {
  ExportState& export_state = state.export_;
  const std::string request = merge_fields().to_json(&state.project.merge).dump();
  if (export_state.planning || export_state.planned == request) return {};
  export_state.planning = true;
  export_state.planned = request;
  return {PlanMerge{state.project.merge}};
}

Effects start_merge(State& state) {
  if (state.jobs[JobId::kMerge].active() || is_refused(state, JobId::kMerge)) return {};
  if (const auto& refused = state.form(FormId::kMerge).refused; !refused.empty()) {
    add_message(state.log, {MessageKind::kError, "merge",
                            "correct the setting '" + refused.begin()->first + "' first"});
    return {};
  }
  show_window(state, WindowId::kExport);
  state.export_.to_tab = ExportTab::kMerge;
  begin_job(state, JobId::kMerge);
  state.export_.report.reset();
  return {RunMerge{state.project.merge}};
}

double value_of(const MergedLayer& layer, ReceiptColumn column) {
  switch (column) {
    case ReceiptColumn::kLargestChange:
      return layer.largest_change;
    case ReceiptColumn::kRounding:
      return layer.rounding;
    default:
      return layer.forward_error;
  }
}

void sort(std::vector<MergedLayer>& layers, const SortReceipt& by) {
  std::stable_sort(layers.begin(), layers.end(), [&](const MergedLayer& a, const MergedLayer& b) {
    const MergedLayer& first = by.descending ? b : a;
    const MergedLayer& second = by.descending ? a : b;
    if (by.column == ReceiptColumn::kModule) return first.module < second.module;
    return value_of(first, by.column) < value_of(second, by.column);
  });
}

}  // namespace

Effects reduce_export(State& state, const ExportAction& action) {
  JobState& job = state.jobs[JobId::kMerge];
  return std::visit(Overloaded{
                        [&](const CheckMerge&) { return check(state); },
                        [&](const MergePlanned& planned) -> Effects {
                          state.export_.planning = false;
                          state.export_.plan = planned.plan;
                          auto& problems = state.form(FormId::kMerge).problems;
                          problems.clear();
                          for (const FieldProblem& problem : planned.plan.problems)
                            problems[problem.field] = problem.message;
                          return {};
                        },
                        [&](const StartMerge&) { return start_merge(state); },
                        [&](const StopMerge&) -> Effects {
                          if (!job.active()) return {};
                          job.phase = JobState::Phase::kStopping;
                          return {StopJob{JobId::kMerge}};
                        },
                        [&](const MergeDone& done) -> Effects {
                          state.export_.planned.clear();  // the disk has changed
                          if (!done.report.stopped) state.export_.report = done.report;
                          return {};
                        },
                        [&](const SortReceipt& by) -> Effects {
                          if (state.export_.report) sort(state.export_.report->layers, by);
                          return {};
                        },
                    },
                    action);
}

}  // namespace dorabooth
