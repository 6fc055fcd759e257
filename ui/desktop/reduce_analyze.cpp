// The analysis of magnitude against direction: the run, the table's order, the chosen layer.
#include <algorithm>

#include "ui/desktop/reduce_window.h"

namespace dorabooth {

namespace {

// "" if it can start.
std::string what_is_missing(const State& state) {
  const AnalyzeRequest& request = state.project.analyze;
  if (request.pretrained_model_name_or_path.empty()) return "choose the base first";
  if (request.adapter_path.empty() && request.run.empty() && request.checkpoint.empty())
    return "add an adapter, a run or a checkpoint first";
  if (const auto& refused = state.form(FormId::kAnalyze).refused; !refused.empty())
    return "correct the setting '" + refused.begin()->first + "' first";
  return "";
}

Effects start_analysis(State& state) {
  if (state.jobs[JobId::kAnalyze].active() || is_refused(state, JobId::kAnalyze)) return {};
  show_window(state, WindowId::kAnalyze);
  if (const std::string missing = what_is_missing(state); !missing.empty()) {
    add_message(state.log, {MessageKind::kError, "analyze", missing});
    return {};
  }
  begin_job(state, JobId::kAnalyze);
  return {RunAnalyze{state.project.analyze}};
}

void take(AnalyzeState& analyze, const AnalyzeReport& report) {
  if (report.stopped) return;
  analyze.report = report;
  ++analyze.reports;
  analyze.layer.clear();
  analyze.rows.clear();
  for (const ChangeSeries& series : report.series) {
    for (const LayerChange& change : series.records) analyze.rows.push_back({series.name, change});
  }
}

bool is_less(const ChangeRow& a, const ChangeRow& b, ChangeColumn column, VectorAxis axis) {
  switch (column) {
    case ChangeColumn::kLayer:
      return a.change.layer < b.change.layer;
    case ChangeColumn::kSeries:
      return a.series < b.series;
    case ChangeColumn::kStep:
      return a.change.step < b.change.step;
    case ChangeColumn::kMagnitude:
      return change_on(axis, a.change).magnitude < change_on(axis, b.change).magnitude;
    case ChangeColumn::kDirection:
      return change_on(axis, a.change).direction < change_on(axis, b.change).direction;
  }
  return false;
}

void sort(AnalyzeState& analyze, const SortChanges& by) {
  std::stable_sort(analyze.rows.begin(), analyze.rows.end(),
                   [&](const ChangeRow& a, const ChangeRow& b) {
                     return by.descending ? is_less(b, a, by.column, analyze.axis)
                                          : is_less(a, b, by.column, analyze.axis);
                   });
}

}  // namespace

Effects reduce_analyze(State& state, const AnalyzeAction& action) {
  JobState& job = state.jobs[JobId::kAnalyze];
  Effects effects;
  std::visit(Overloaded{
                 [&](const StartAnalyze&) { effects = start_analysis(state); },
                 [&](const StopAnalyze&) {
                   if (!job.active()) return;
                   job.phase = JobState::Phase::kStopping;
                   effects = {StopJob{JobId::kAnalyze}};
                 },
                 [&](const AnalyzeDone& done) { take(state.analyze, done.report); },
                 [&](const ShowNormAxis& show) { state.analyze.axis = show.axis; },
                 [&](const SortChanges& by) { sort(state.analyze, by); },
                 [&](const ChooseLayer& choose) { state.analyze.layer = choose.layer; },
             },
             action);
  return effects;
}

}  // namespace dorabooth
