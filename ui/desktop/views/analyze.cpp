#include "ui/desktop/views/analyze.h"

#include <imgui.h>

#include <filesystem>

#include "pipelines/adapter_argument.h"
#include "ui/desktop/heavy_jobs.h"
#include "ui/desktop/widgets/change_plot.h"
#include "ui/desktop/widgets/change_table.h"
#include "ui/desktop/widgets/form.h"
#include "ui/desktop/widgets/job_line.h"

namespace dorabooth {

namespace {

void add_to_list(const char* field, const std::vector<std::string>& before, const std::string& one,
                 Actions& actions) {
  std::vector<std::string> list = before;
  list.push_back(one);
  actions.add(FormAction(SetField{FormId::kAnalyze, field, list}));
  actions.add(FormAction(EndEdit{}));
}

void ask_for_source(FileQuestionKind kind, const char* field, const char* title,
                    const std::string& start, Actions& actions) {
  FileQuestion question;
  question.kind = kind;
  question.use = FileUse::kAddToField;
  question.form = FormId::kAnalyze;
  question.field = field;
  question.title = title;
  question.start = start;
  actions.add(FileAction(AskForFile{question}));
}

void draw_subjects(const State& state, Actions& actions) {
  const AnalyzeRequest& request = state.project.analyze;
  const std::string& run = state.project.train.output_dir;
  for (const std::string& path : state.project.trained_adapters) {
    const std::string name = parse_adapter_argument(path).name;
    ImGui::PushID(path.c_str());
    if (ImGui::Button(("Add " + name).c_str()))
      add_to_list("adapter_path", request.adapter_path, path, actions);
    ImGui::SetItemTooltip("%s", path.c_str());
    ImGui::PopID();
    ImGui::SameLine();
  }
  if (ImGui::Button("Add a file..."))
    ask_for_source(FileQuestionKind::kOpenFile, "adapter_path", "An adapter", run + "/", actions);
  ImGui::SameLine();
  if (ImGui::Button("Add a run..."))
    ask_for_source(FileQuestionKind::kOpenFolder, "run", "The folder of a training run", run,
                   actions);
}

void draw_saving(const State& state, Actions& actions) {
  const auto draw = [&](const char* label, const char* title, const char* ending) {
    if (!ImGui::Button(label)) return;
    FileQuestion question;
    question.kind = FileQuestionKind::kSaveFile;
    question.use = FileUse::kSaveAnalysis;
    question.title = title;
    question.start =
        (std::filesystem::path(state.places.results) / (std::string("analysis") + ending)).string();
    actions.add(FileAction(AskForFile{question}));
  };
  draw("Save CSV...", "Save the table", ".csv");
  ImGui::SameLine();
  draw("Save JSON...", "Save the analysis", ".json");
}

void draw_axis(const AnalyzeState& analyze, Actions& actions) {
  constexpr std::pair<VectorAxis, const char*> kAxes[] = {
      {VectorAxis::kOutput, "output: rows of W, as DoRA's magnitudes"},
      {VectorAxis::kInput, "input: columns of W"}};
  ImGui::SetNextItemWidth(20 * ImGui::GetFontSize());
  if (!ImGui::BeginCombo("Norm axis", kAxes[analyze.axis == VectorAxis::kInput].second)) return;
  for (const auto& [axis, name] : kAxes) {
    if (ImGui::Selectable(name, axis == analyze.axis))
      actions.add(AnalyzeAction(ShowNormAxis{axis}));
  }
  ImGui::EndCombo();
}

void draw_plots(const AnalyzeState& analyze, float height, Actions& actions) {
  if (!ImGui::BeginTabBar("Plots")) return;
  if (ImGui::BeginTabItem("Magnitude against direction")) {
    draw_change_scatter(analyze, height);
    ImGui::EndTabItem();
  }
  if (ImGui::BeginTabItem("By layer")) {
    draw_change_bars(analyze, height, actions);
    ImGui::EndTabItem();
  }
  ImGui::EndTabBar();
}

void draw_result(const State& state, Actions& actions) {
  const AnalyzeState& analyze = state.analyze;
  draw_axis(analyze, actions);
  ImGui::SameLine();
  draw_saving(state, actions);
  draw_series_table(*analyze.report, analyze.axis);
  const float room = ImGui::GetContentRegionAvail().y - 2 * ImGui::GetFrameHeightWithSpacing();
  draw_plots(analyze, std::max(10 * ImGui::GetFontSize(), 0.62F * room), actions);
  draw_change_table(analyze, actions);
}

void draw_analysis(const State& state, Actions& actions) {
  const JobState& job = state.jobs[JobId::kAnalyze];
  const AnalyzeRequest& request = state.project.analyze;
  const bool free = what_is_in_the_way(state.jobs, JobId::kAnalyze).empty();
  const bool ready =
      !request.pretrained_model_name_or_path.empty() &&
      !(request.adapter_path.empty() && request.run.empty() && request.checkpoint.empty());
  ImGui::BeginDisabled(job.active() || !free || !ready);
  if (ImGui::Button("Start analyzing")) actions.add(AnalyzeAction(StartAnalyze{}));
  ImGui::EndDisabled();
  ImGui::SameLine();
  ImGui::BeginDisabled(!job.active());
  if (ImGui::Button("Stop")) actions.add(AnalyzeAction(StopAnalyze{}));
  ImGui::EndDisabled();
  draw_what_is_in_the_way(state.jobs, JobId::kAnalyze);
  if (job.phase != JobState::Phase::kIdle) draw_job_line(job);
  if (state.analyze.report) {
    draw_result(state, actions);
  } else if (job.phase == JobState::Phase::kIdle) {
    ImGui::TextWrapped(
        "The paper's analysis: for every layer, how far training moved its weight in magnitude "
        "(ΔM) and in direction (ΔD), and how the two go together. In a fully trained model they "
        "are correlated negatively, or not at all; in one with a LoRA positively; DoRA was made "
        "to come near the first. Add adapters, runs with their checkpoints, or whole models.");
  }
}

}  // namespace

void draw_analyze(const State& state, Actions& actions, Widgets&) {
  const float width = ImGui::GetContentRegionAvail().x;
  if (ImGui::BeginChild("Request", {0.32F * width, 0}, ImGuiChildFlags_NavFlattened)) {
    ImGui::BeginDisabled(state.jobs[JobId::kAnalyze].active());
    draw_subjects(state, actions);
    draw_form(state, FormId::kAnalyze, actions,
              {"norm_axis", "output_csv", "output_plot", "plot_projections", "plot_axes"});
    ImGui::EndDisabled();
  }
  ImGui::EndChild();
  ImGui::SameLine();
  if (ImGui::BeginChild("Run", {0, 0}, ImGuiChildFlags_NavFlattened)) draw_analysis(state, actions);
  ImGui::EndChild();
}

}  // namespace dorabooth
