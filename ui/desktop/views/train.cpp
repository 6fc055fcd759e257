#include "ui/desktop/views/train.h"

#include <imgui.h>

#include <algorithm>
#include <filesystem>

#include "ui/desktop/command_line.h"
#include "ui/desktop/heavy_jobs.h"
#include "ui/desktop/widgets/curve_plot.h"
#include "ui/desktop/widgets/form.h"
#include "ui/desktop/widgets/job_line.h"
#include "ui/desktop/widgets/preview_grid.h"
#include "ui/desktop/widgets/selectable_text.h"

namespace dorabooth {

namespace {

void draw_button(const char* label, bool enabled, const Action& action, Actions& actions) {
  ImGui::BeginDisabled(!enabled);
  if (ImGui::Button(label)) actions.add(action);
  ImGui::EndDisabled();
  ImGui::SameLine();
}

Action ask(FileQuestionKind kind, FileUse use, const char* title, const std::string& start) {
  FileQuestion question;
  question.kind = kind;
  question.use = use;
  question.title = title;
  question.start = start;
  return FileAction(AskForFile{question});
}

void draw_settings_files(const State& state, Actions& actions) {
  ImGui::SetNextItemWidth(10 * ImGui::GetFontSize());
  if (ImGui::BeginCombo("##preset", "Preset...")) {
    for (const std::string& preset : state.train.presets) {
      if (ImGui::Selectable(std::filesystem::path(preset).stem().c_str()))
        actions.add(TrainAction(LoadPreset{preset}));
      ImGui::SetItemTooltip("%s", preset.c_str());
    }
    if (state.train.presets.empty()) ImGui::TextDisabled("There are none in configs/.");
    ImGui::EndCombo();
  }
  ImGui::SameLine();
  draw_button("Load...", true,
              ask(FileQuestionKind::kOpenFile, FileUse::kLoadTrainConfig, "Load training settings",
                  state.places.configs + "/"),
              actions);
  draw_button("Save...", true,
              ask(FileQuestionKind::kSaveFile, FileUse::kSaveTrainConfig, "Save training settings",
                  state.places.home + "/train.json"),
              actions);
  ImGui::NewLine();
}

void draw_controls(const State& state, Actions& actions) {
  const JobState& job = state.jobs[JobId::kTrain];
  const bool running = job.phase == JobState::Phase::kRunning;
  const bool paused = job.phase == JobState::Phase::kPaused;
  const bool free = what_is_in_the_way(state.jobs, JobId::kTrain).empty();
  draw_button("Start", !job.active() && free, TrainAction(StartTraining{}), actions);
  if (paused) {
    draw_button("Resume", true, TrainAction(ResumeTraining{}), actions);
  } else {
    draw_button("Pause", running, TrainAction(PauseTraining{}), actions);
  }
  draw_button("Stop", running || paused, TrainAction(StopTraining{}), actions);
  ImGui::NewLine();
  draw_what_is_in_the_way(state.jobs, JobId::kTrain);
  draw_job_line(job);
}

// A run that the program's end, or a stop, left unfinished.
void draw_unfinished(const State& state, Actions& actions) {
  if (!state.project.unfinished_run || state.jobs[JobId::kTrain].active()) return;
  ImGui::TextWrapped(
      "The run in %s did not end. It goes on from its last checkpoint, with its own settings.",
      state.project.unfinished_run->output_dir.c_str());
  const bool free = what_is_in_the_way(state.jobs, JobId::kTrain).empty();
  draw_button("Continue the run", free, TrainAction(ContinueRun{}), actions);
  draw_button("Forget it", true, TrainAction(AbandonRun{}), actions);
  ImGui::NewLine();
}

// "loss/dora" stands as "dora" in the plot of losses.
std::vector<PlottedCurve> curves_named(const TrainState& train, const std::string& name) {
  std::vector<PlottedCurve> plotted;
  for (const auto& [key, curve] : train.curves) {
    if (key == name) plotted.push_back({name, &curve});
    if (key.rfind(name + "/", 0) == 0) plotted.push_back({key.substr(name.size() + 1), &curve});
  }
  return plotted;
}

void draw_plot_options(const TrainState& train, Actions& actions) {
  auto smoothing = static_cast<float>(train.smoothing);
  ImGui::SetNextItemWidth(9 * ImGui::GetFontSize());
  if (ImGui::SliderFloat("Smoothing", &smoothing, 0, 0.99F, "%.2f"))
    actions.add(TrainAction(SetSmoothing{smoothing}));
  ImGui::SameLine();
  bool log_scale = train.log_scale;
  if (ImGui::Checkbox("Log scale", &log_scale)) actions.add(TrainAction(SetLogScale{log_scale}));
}

void draw_small_plot(const char* title, const std::vector<PlottedCurve>& curves, ImVec2 size) {
  if (ImGui::BeginChild(title, size, ImGuiChildFlags_None, ImGuiWindowFlags_NoScrollbar))
    draw_curve_plot({title, curves, 0, false, size.y});
  ImGui::EndChild();
}

void draw_curves(const State& state, Actions& actions) {
  const TrainState& train = state.train;
  if (train.curves.empty()) {
    ImGui::TextWrapped("%s", state.jobs[JobId::kTrain].active()
                                 ? "The losses appear here when the first step is done."
                                 : "Start a run: the losses of its adapters appear here, step by "
                                   "step.");
    return;
  }
  draw_plot_options(train, actions);
  const float spacing = ImGui::GetStyle().ItemSpacing.y;
  const float height =
      std::max(14 * ImGui::GetFontSize(), ImGui::GetContentRegionAvail().y - 2 * spacing);
  draw_curve_plot({"Loss over the steps", curves_named(train, "loss"), train.smoothing,
                   train.log_scale, 0.58F * height});
  const float half = 0.5F * (ImGui::GetContentRegionAvail().x - ImGui::GetStyle().ItemSpacing.x);
  draw_small_plot("Learning rate", curves_named(train, "lr"), {half, 0.42F * height});
  ImGui::SameLine();
  draw_small_plot("Gradient norm", curves_named(train, "grad_norm"), {half, 0.42F * height});
}

void draw_previews(const State& state, Widgets& widgets) {
  const TrainConfig& config =
      state.project.unfinished_run ? *state.project.unfinished_run : state.project.train;
  const std::vector<std::string>& prompts = config.validation_prompt;
  if (!state.train.previews.empty()) {
    if (prompts.size() == 1) ImGui::TextWrapped("%s", prompts.front().c_str());
    return draw_preview_grid(state.train, widgets.textures);
  }
  if (!prompts.empty()) {
    ImGui::TextWrapped("Pictures of \"%s\"%s are drawn at the start and after every %lld steps.",
                       prompts.front().c_str(), prompts.size() > 1 ? " and the other prompts" : "",
                       static_cast<long long>(config.validation_steps));
  } else {
    ImGui::TextWrapped(
        "Set validation_prompt, and pictures of it are drawn here while the run goes on.");
  }
}

void draw_command(const State& state, Actions& actions) {
  const std::string text = train_command(state.project.train);
  ImGui::TextWrapped("This command trains the same, byte for byte:");
  draw_selectable_text("##command", text);
  if (ImGui::Button("Copy command")) actions.add(AppAction(CopyText{text}));
}

// Asked for anew whenever the settings are others.
void draw_forecast(const State& state, Actions& actions) {
  if (settings_text(state.project.train) != state.train.forecast_settings)
    actions.add(TrainAction(AskForForecast{}));
  ImGui::TextWrapped("What a run with these settings would take:");
  ImGui::Spacing();
  ImGui::TextWrapped("%s", state.train.forecast.empty() ? "The headers of the base are read..."
                                                        : state.train.forecast.c_str());
  ImGui::Spacing();
  ImGui::TextWrapped("How long it takes is told in the Log after the run's third step.");
}

void draw_run(const State& state, Actions& actions, Widgets& widgets) {
  draw_controls(state, actions);
  draw_unfinished(state, actions);
  if (!ImGui::BeginTabBar("Shown")) return;
  if (ImGui::BeginTabItem("Curves")) {
    draw_curves(state, actions);
    ImGui::EndTabItem();
  }
  if (ImGui::BeginTabItem("Previews")) {
    draw_previews(state, widgets);
    ImGui::EndTabItem();
  }
  if (ImGui::BeginTabItem("Forecast")) {
    draw_forecast(state, actions);
    ImGui::EndTabItem();
  }
  if (ImGui::BeginTabItem("Command line")) {
    draw_command(state, actions);
    ImGui::EndTabItem();
  }
  ImGui::EndTabBar();
}

}  // namespace

void draw_train(const State& state, Actions& actions, Widgets& widgets) {
  const float width = ImGui::GetContentRegionAvail().x;
  if (ImGui::BeginChild("Settings", {0.45F * width, 0}, ImGuiChildFlags_NavFlattened)) {
    ImGui::BeginDisabled(state.jobs[JobId::kTrain].active());
    draw_settings_files(state, actions);
    draw_form(state, FormId::kTrain, actions);
    ImGui::EndDisabled();
  }
  ImGui::EndChild();
  ImGui::SameLine();
  if (ImGui::BeginChild("Run", {0, 0}, ImGuiChildFlags_NavFlattened))
    draw_run(state, actions, widgets);
  ImGui::EndChild();
}

}  // namespace dorabooth
