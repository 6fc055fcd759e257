#include "ui/desktop/views/export_convert.h"

#include <imgui.h>

#include "pipelines/adapter_argument.h"
#include "pipelines/convert_place.h"
#include "ui/desktop/heavy_jobs.h"
#include "ui/desktop/theme.h"
#include "ui/desktop/widgets/form.h"
#include "ui/desktop/widgets/job_line.h"
#include "ui/desktop/widgets/selectable_text.h"
#include "ui/desktop/widgets/verdict_table.h"

namespace dorabooth {

namespace {

void draw_trained_to_convert(const State& state, Actions& actions) {
  bool first = true;
  for (const std::string& path : state.project.trained_adapters) {
    if (!first) ImGui::SameLine();
    first = false;
    const std::string name = parse_adapter_argument(path).name;
    ImGui::PushID(path.c_str());
    if (ImGui::Button(("Take " + name).c_str())) {
      actions.add(FormAction(SetField{FormId::kConvert, "adapter_path", path}));
      actions.add(FormAction(EndEdit{}));
    }
    ImGui::SetItemTooltip("%s", path.c_str());
    ImGui::PopID();
  }
}

// Settings that say nothing to the chosen reader are not shown.
std::vector<std::string> settings_elsewhere(const ConvertRequest& request) {
  std::vector<std::string> hidden = {writes_folder(request.to) ? "output" : "output_dir"};
  if (request.to != "lora-svd") hidden.push_back("rank");
  return hidden;
}

void draw_settings(const State& state, Actions& actions) {
  const ConvertRequest& request = state.project.convert;
  draw_trained_to_convert(state, actions);
  draw_form(state, FormId::kConvert, actions, settings_elsewhere(request));
  ImGui::Spacing();
  if (const std::string place = place_of(request); !place.empty())
    ImGui::TextWrapped("It is written to %s", place.c_str());
}

void draw_result(const ConvertReport& report, Actions& actions) {
  ImGui::SeparatorText("The file");
  draw_selectable_text("##path", report.path);
  ImGui::TextWrapped("%s", report.summary.c_str());
  if (ImGui::Button("Copy path")) actions.add(AppAction(CopyText{report.path}));
  ImGui::SameLine();
  if (ImGui::Button("Inspect it")) actions.add(InspectAction(InspectFile{report.path}));
  if (report.residual) {
    ImGui::TextWrapped("The rank leaves out %.3g %% of the change, at most %.3g %% (%s).",
                       100.0 * *report.residual, 100.0 * report.worst_residual,
                       report.worst_layer.c_str());
  }
  if (report.verdicts.empty()) return;
  ImGui::SeparatorText("What each program computes from it");
  if (!report.is_right) {
    ImGui::PushStyleColor(ImGuiCol_Text, error_text_color());
    ImGui::TextWrapped("The program that it was written for does not compute what it means.");
    ImGui::PopStyleColor();
  }
  if (ImGui::BeginChild("Proof")) draw_verdict_table(report.verdicts);
  ImGui::EndChild();
}

void draw_conversion(const State& state, Actions& actions) {
  const JobState& job = state.jobs[JobId::kConvert];
  const bool free = what_is_in_the_way(state.jobs, JobId::kConvert).empty();
  const ConvertRequest& request = state.project.convert;
  const bool ready =
      !request.adapter_path.empty() && !request.pretrained_model_name_or_path.empty();
  ImGui::BeginDisabled(job.active() || !free || !ready);
  if (ImGui::Button("Start converting")) actions.add(ConvertAction(StartConvert{}));
  ImGui::EndDisabled();
  ImGui::SameLine();
  ImGui::BeginDisabled(!job.active());
  if (ImGui::Button("Stop")) actions.add(ConvertAction(StopConvert{}));
  ImGui::EndDisabled();
  draw_what_is_in_the_way(state.jobs, JobId::kConvert);
  // What it brought says more.
  const bool told = job.phase == JobState::Phase::kFinished && state.convert.report.has_value();
  if (job.phase != JobState::Phase::kIdle && !told) draw_job_line(job);
  if (state.convert.report) {
    draw_result(*state.convert.report, actions);
  } else if (job.phase == JobState::Phase::kIdle) {
    ImGui::TextWrapped(
        "No DoRA file is read correctly by every program. Choose the adapter and whom it is for "
        "(to); the file is written with names and magnitudes that this program reads rightly. "
        "Afterwards the formulas of nine programs are replayed on the written file, and the "
        "largest error of each is shown here.");
  }
}

}  // namespace

void draw_export_convert(const State& state, Actions& actions) {
  const float width = ImGui::GetContentRegionAvail().x;
  if (ImGui::BeginChild("ConvertRequest", {0.38F * width, 0}, ImGuiChildFlags_NavFlattened)) {
    ImGui::BeginDisabled(state.jobs[JobId::kConvert].active());
    draw_settings(state, actions);
    ImGui::EndDisabled();
  }
  ImGui::EndChild();
  ImGui::SameLine();
  if (ImGui::BeginChild("ConvertRun", {0, 0}, ImGuiChildFlags_NavFlattened))
    draw_conversion(state, actions);
  ImGui::EndChild();
}

}  // namespace dorabooth
