// Start, pause, resume and stop of a run, and its curves.
#include <algorithm>
#include <filesystem>

#include "ui/desktop/reduce_window.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

// "" if the run can start.
std::string what_is_missing(const State& state) {
  const TrainConfig& config = state.project.train;
  if (config.pretrained_model_name_or_path.empty()) return "choose a base first (Start window)";
  if (config.instance_data_dir.empty()) return "choose a folder of pictures first (Start window)";
  if (!state.form(FormId::kTrain).refused.empty())
    return "correct the setting '" + state.form(FormId::kTrain).refused.begin()->first + "' first";
  return "";
}

Effects start(State& state, const TrainConfig& config) {
  if (state.jobs[JobId::kTrain].active() || is_refused(state, JobId::kTrain)) return {};
  begin_job(state, JobId::kTrain);
  state.train.curves.clear();
  state.train.previews.clear();
  state.project.unfinished_run = config;
  return {RunTraining{config}};
}

// From its last checkpoint, with the settings that it was started with.
Effects go_on(State& state) {
  if (!state.project.unfinished_run) return {};
  TrainConfig config = *state.project.unfinished_run;
  show_window(state, WindowId::kTrain);
  config.resume_from_checkpoint = "latest";
  Effects effects = start(state, config);
  if (effects.empty()) return {};
  // Read at once: what was not asked for again would be drawn as a gap.
  const fs::path metrics = fs::path(config.output_dir) / "metrics.jsonl";
  effects.insert(effects.begin(), LoadText{TextUse::kMetrics, metrics.string(), true});
  return effects;
}

// Nothing is left to be continued: it is finished, or came to an end before its first step.
bool is_over(const JobState& job, const Project& project, const Event& event) {
  if (std::holds_alternative<FinishedEvent>(event)) return job.phase == JobState::Phase::kFinished;
  return std::holds_alternative<FailedEvent>(event) && job.what != "train" &&
         project.unfinished_run && !project.unfinished_run->resume_from_checkpoint;
}

// The files of an earlier run make room for the first one of this run.
void note_adapter(Project& project, const std::string& path) {
  if (fs::path(path).filename() != "pytorch_lora_weights.safetensors") return;
  const std::string run = fs::path(project.unfinished_run->output_dir) / "";
  auto& adapters = project.trained_adapters;
  std::erase_if(adapters, [&](const std::string& one) { return !one.starts_with(run); });
  if (std::find(adapters.begin(), adapters.end(), path) == adapters.end()) adapters.push_back(path);
}

}  // namespace

Effects reduce_train(State& state, const TrainAction& action) {
  JobState& job = state.jobs[JobId::kTrain];
  return std::visit(Overloaded{
                        [&](const StartTraining&) -> Effects {
                          if (const std::string missing = what_is_missing(state);
                              !missing.empty()) {
                            add_message(state.log, {MessageKind::kError, "train", missing});
                            return {};
                          }
                          return start(state, state.project.train);
                        },
                        [&](const PauseTraining&) -> Effects {
                          if (job.phase != JobState::Phase::kRunning) return {};
                          job.phase = JobState::Phase::kPaused;
                          return {PauseJob{JobId::kTrain}};
                        },
                        [&](const ResumeTraining&) -> Effects {
                          if (job.phase != JobState::Phase::kPaused) return {};
                          job.phase = JobState::Phase::kRunning;
                          return {ResumeJob{JobId::kTrain}};
                        },
                        [&](const StopTraining&) -> Effects {
                          if (!job.active()) return {};
                          job.phase = JobState::Phase::kStopping;
                          return {StopJob{JobId::kTrain}};
                        },
                        [&](const ContinueRun&) -> Effects { return go_on(state); },
                        [&](const AbandonRun&) -> Effects {
                          if (!job.active()) state.project.unfinished_run.reset();
                          return {};
                        },
                        [&](const LoadPreset& preset) -> Effects {
                          return {LoadText{TextUse::kPreset, preset.path}};
                        },
                        [&](const SetSmoothing& set) -> Effects {
                          state.train.smoothing = set.smoothing;
                          return {};
                        },
                        [&](const AskForForecast&) -> Effects {
                          const std::string settings = settings_text(state.project.train);
                          if (settings == state.train.forecast_settings) return {};
                          state.train.forecast_settings = settings;
                          state.train.forecast.clear();
                          return {ForecastTraining{state.project.train, settings}};
                        },
                        [&](const ForecastMade& made) -> Effects {
                          if (made.settings == state.train.forecast_settings)
                            state.train.forecast = made.text;
                          return {};
                        },
                        [&](const SetLogScale& set) -> Effects {
                          state.train.log_scale = set.on;
                          return {};
                        },
                    },
                    action);
}

void reduce_train_event(State& state, const Event& event) {
  if (const auto* step = std::get_if<StepEvent>(&event)) {
    for (const auto& [name, value] : step->values)
      add_point(state.train.curves[name], static_cast<double>(step->step), value);
  }
  if (const auto* preview = std::get_if<PreviewEvent>(&event)) {
    add_preview(state.train,
                {preview->step, preview->row, preview->column, preview->row_label,
                 preview->column_label, std::make_shared<const Image>(preview->image)});
  }
  if (const auto* saved = std::get_if<SavedEvent>(&event); saved && state.project.unfinished_run)
    note_adapter(state.project, saved->path);
  if (!is_over(state.jobs[JobId::kTrain], state.project, event)) return;
  state.project.unfinished_run.reset();
  // The first comparison is there to be drawn.
  if (!state.project.compare.column.empty()) return;
  for (const std::string& path : state.project.trained_adapters)
    reduce_compare_columns(state, CompareAction(AddColumn{path}));
}

}  // namespace dorabooth
