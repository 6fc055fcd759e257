// Hands each action to its window's part; keeps the undo stack and the state of every job.
#include "ui/desktop/reduce.h"

#include <nlohmann/json.hpp>

#include "ui/desktop/heavy_jobs.h"
#include "ui/desktop/reduce_window.h"

namespace dorabooth {

namespace {

// Edits with equal keys, one after the other, are one step of undo.
std::string edit_key(const Action& action) {
  if (const auto* set = action_as<SetField>(action))
    return std::to_string(static_cast<int>(set->form)) + "/" + set->field;
  if (const auto* set = action_as<SetColumnStrength>(action))
    return "strength/" + std::to_string(set->column);
  if (const auto* rename = action_as<RenameColumn>(action))
    return "name/" + std::to_string(rename->column);
  return "";
}

// Bringing another project or another step of undo is not an edit.
bool is_edit(const Action& action) {
  if (action_as<UndoEdit>(action) || action_as<RedoEdit>(action) || action_as<NewProject>(action))
    return false;
  const auto* text = action_as<TextLoaded>(action);
  return !(text && text->use == TextUse::kProject);
}

bool same_settings(const Project& a, Project b) {
  b.unfinished_run = a.unfinished_run;
  b.trained_adapters = a.trained_adapters;
  return project_to_json(a) == project_to_json(b);
}

Effects dispatch(State& state, const Action& action) {
  return std::visit(Overloaded{
                        [&](const AppAction& a) { return reduce_app(state, a); },
                        [&](const FormAction& a) { return reduce_form(state, a); },
                        [&](const FileAction& a) { return reduce_file(state, a); },
                        [&](const StartAction& a) { return reduce_start(state, a); },
                        [&](const DatasetAction& a) { return reduce_dataset(state, a); },
                        [&](const TrainAction& a) { return reduce_train(state, a); },
                        [&](const CompareAction& a) { return reduce_compare(state, a); },
                        [&](const ExportAction& a) { return reduce_export(state, a); },
                        [&](const ConvertAction& a) { return reduce_convert(state, a); },
                        [&](const AnalyzeAction& a) { return reduce_analyze(state, a); },
                        [&](const InspectAction& a) { return reduce_inspect(state, a); },
                    },
                    action);
}

void end_job(JobState& job, JobState::Phase phase, const std::string& message) {
  job.phase = phase;
  job.message = message;
  job.seconds_left = 0.0;
}

double memory_of(const StepEvent& step) {
  double memory = 0.0;
  for (const auto& [name, value] : step.values) {
    if (name == "peak_device_memory_mb") return value;
    if (name == "peak_memory_mb") memory = value;
  }
  return memory;
}

}  // namespace

Effects reduce(State& state, const Action& action) {
  const Project before = state.project;
  Effects effects = dispatch(state, action);
  if (is_edit(action) && !same_settings(before, state.project))
    state.undo.remember(before, edit_key(action));
  return effects;
}

Effects reduce(State& state, JobId id, const Event& event) {
  JobState& job = state.jobs[id];
  const std::string source = job_text(id);
  std::visit(Overloaded{
                 [&](const StartedEvent& started) {
                   job.what = started.what;
                   job.step = 0;
                   job.total = started.total;
                   job.seconds_per_step = job.seconds_left = job.memory_mb = 0.0;
                 },
                 [&](const StepEvent& step) {
                   job.step = step.step;
                   job.total = step.total;
                   job.seconds_per_step = step.seconds_per_step;
                   job.seconds_left = step.seconds_left;
                   job.memory_mb = memory_of(step);
                 },
                 [&](const PreviewEvent&) {},
                 [&](const LogEvent& log) {
                   const bool warning = log.level == LogLevel::kWarning;
                   add_message(state.log, {warning ? MessageKind::kWarning : MessageKind::kInfo,
                                           source, log.text});
                 },
                 [&](const SavedEvent& saved) {
                   add_message(state.log, {MessageKind::kInfo, source, "saved " + saved.path});
                 },
                 [&](const FinishedEvent& finished) {
                   const bool stopped = job.phase == JobState::Phase::kStopping;
                   end_job(job, stopped ? JobState::Phase::kStopped : JobState::Phase::kFinished,
                           finished.summary);
                   if (!finished.summary.empty())
                     add_message(state.log, {MessageKind::kInfo, source, finished.summary});
                 },
                 [&](const FailedEvent& failed) {
                   end_job(job, JobState::Phase::kFailed, failed.message);
                   add_message(state.log, {MessageKind::kError, source, failed.message});
                 },
             },
             event);
  if (id == JobId::kTrain) reduce_train_event(state, event);
  if (id == JobId::kDataset) reduce_dataset_event(state, event);
  Effects effects;
  if (id == JobId::kCompare) effects = reduce_compare_event(state, event);
  if (is_heavy(id) && !job.active()) {
    const bool failed = std::holds_alternative<FailedEvent>(event);
    for (Effect& effect : close_after_job(state, failed)) effects.push_back(std::move(effect));
  }
  return effects;
}

const char* job_text(JobId job) {
  switch (job) {
    case JobId::kTrain:
      return "train";
    case JobId::kCompare:
      return "compare";
    case JobId::kMerge:
      return "merge";
    case JobId::kConvert:
      return "convert";
    case JobId::kAnalyze:
      return "analyze";
    case JobId::kInspect:
      return "inspect";
    case JobId::kDataset:
      return "dataset";
    case JobId::kFiles:
      return "files";
  }
  return "";
}

void frame_drawn(State& state) {
  state.focus.reset();
  state.layout_reset = false;
  state.compare.to_pictures = false;
  state.export_.to_tab.reset();
}

void begin_job(State& state, JobId id) {
  state.jobs[id] = {};
  state.jobs[id].phase = JobState::Phase::kRunning;
}

}  // namespace dorabooth
