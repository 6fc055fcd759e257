#include "ui/desktop/views/train.h"

#include <imgui.h>

#include <algorithm>

#include "ui/desktop/command_line.h"
#include "ui/desktop/widgets/curve_plot.h"
#include "ui/desktop/widgets/form.h"
#include "ui/desktop/widgets/job_line.h"

namespace dorabooth {

namespace {

void draw_button(const char* label, bool enabled, const TrainAction& action, Actions& actions) {
  ImGui::BeginDisabled(!enabled);
  if (ImGui::Button(label)) actions.add(action);
  ImGui::EndDisabled();
  ImGui::SameLine();
}

void draw_controls(const State& state, Actions& actions) {
  const JobState& job = state.jobs[JobId::kTrain];
  const bool running = job.phase == JobState::Phase::kRunning;
  const bool paused = job.phase == JobState::Phase::kPaused;
  draw_button("Start", !job.active(), StartTraining{}, actions);
  if (paused) {
    draw_button("Resume", true, ResumeTraining{}, actions);
  } else {
    draw_button("Pause", running, PauseTraining{}, actions);
  }
  draw_button("Stop", running || paused, StopTraining{}, actions);
  ImGui::NewLine();
  draw_job_line(job);
}

// A run that the program's end, or a stop, left unfinished.
void draw_unfinished(const State& state, Actions& actions) {
  if (!state.project.unfinished_run || state.jobs[JobId::kTrain].active()) return;
  ImGui::TextWrapped("The run in %s did not end. It goes on from its last checkpoint.",
                     state.project.unfinished_run->c_str());
  draw_button("Continue the run", true, ContinueRun{}, actions);
  draw_button("Forget it", true, AbandonRun{}, actions);
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

void draw_plots(const TrainState& train, Actions& actions) {
  draw_plot_options(train, actions);
  if (train.curves.empty()) {
    ImGui::TextWrapped("The losses of the adapters appear here when the first step is done.");
    return;
  }
  // What is left above the command line.
  const float below = 10 * ImGui::GetFontSize();
  const float height =
      std::max(14 * ImGui::GetFontSize(), ImGui::GetContentRegionAvail().y - below);
  draw_curve_plot({"Loss over the steps", curves_named(train, "loss"), train.smoothing,
                   train.log_scale, 0.55F * height});
  const float half = 0.5F * (ImGui::GetContentRegionAvail().x - ImGui::GetStyle().ItemSpacing.x);
  draw_small_plot("Learning rate", curves_named(train, "lr"), {half, 0.45F * height});
  ImGui::SameLine();
  draw_small_plot("Gradient norm", curves_named(train, "grad_norm"), {half, 0.45F * height});
}

void draw_command(const State& state, Actions& actions) {
  static const TrainConfig defaults;
  const std::string text = command_text("train", train_fields(), &state.project.train, &defaults);
  ImGui::SeparatorText("The same on the command line");
  ImGui::TextWrapped("%s", text.c_str());
  if (ImGui::Button("Copy command")) actions.add(AppAction(CopyText{text}));
}

}  // namespace

void draw_train(const State& state, Actions& actions, Widgets&) {
  const float width = ImGui::GetContentRegionAvail().x;
  if (ImGui::BeginChild("Settings", {0.45F * width, 0})) {
    ImGui::BeginDisabled(state.jobs[JobId::kTrain].active());
    draw_form(state, FormId::kTrain, actions);
    ImGui::EndDisabled();
  }
  ImGui::EndChild();
  ImGui::SameLine();
  if (ImGui::BeginChild("Run")) {
    draw_controls(state, actions);
    draw_unfinished(state, actions);
    draw_plots(state.train, actions);
    draw_command(state, actions);
  }
  ImGui::EndChild();
}

}  // namespace dorabooth
