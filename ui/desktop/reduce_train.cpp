// Start, pause, resume and stop of a run, and its curves.
#include "ui/desktop/reduce_window.h"

namespace dorabooth {

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
  if (state.jobs[JobId::kTrain].active()) return {};
  if (const std::string missing = what_is_missing(state); !missing.empty()) {
    add_message(state.log, {MessageKind::kError, "train", missing});
    return {};
  }
  begin_job(state, JobId::kTrain);
  state.train.curves.clear();
  state.project.unfinished_run = config.output_dir;
  return {RunTraining{config}};
}

void add_point(std::map<std::string, Curve>& curves, const StepEvent& event) {
  for (const auto& [name, value] : event.values) {
    Curve& curve = curves[name];
    curve.steps.push_back(static_cast<double>(event.step));
    curve.values.push_back(value);
  }
}

}  // namespace

Effects reduce_train(State& state, const TrainAction& action) {
  JobState& job = state.jobs[JobId::kTrain];
  return std::visit(
      Overloaded{
          [&](const StartTraining&) -> Effects { return start(state, state.project.train); },
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
          [&](const ContinueRun&) -> Effects {
            if (!state.project.unfinished_run) return {};
            TrainConfig config = state.project.train;
            config.output_dir = *state.project.unfinished_run;
            config.resume_from_checkpoint = "latest";
            return start(state, config);
          },
          [&](const AbandonRun&) -> Effects {
            if (!job.active()) state.project.unfinished_run.reset();
            return {};
          },
          [&](const LoadPreset& preset) -> Effects {
            return {LoadText{TextUse::kTrainConfig, preset.path}};
          },
          [&](const SetSmoothing& set) -> Effects {
            state.train.smoothing = set.smoothing;
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
  if (const auto* step = std::get_if<StepEvent>(&event)) add_point(state.train.curves, *step);
  const bool finished = state.jobs[JobId::kTrain].phase == JobState::Phase::kFinished;
  if (std::holds_alternative<FinishedEvent>(event) && finished)
    state.project.unfinished_run.reset();
}

}  // namespace dorabooth
