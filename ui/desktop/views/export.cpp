#include "ui/desktop/views/export.h"

#include <imgui.h>

#include "ui/desktop/widgets/form.h"
#include "ui/desktop/widgets/job_line.h"

namespace dorabooth {

void draw_export(const State& state, Actions& actions, Widgets&) {
  const JobState& job = state.jobs[JobId::kMerge];
  ImGui::TextWrapped(
      "Give the adapters and where the result goes, and merge them into the base's weights.");
  ImGui::BeginDisabled(job.active());
  if (ImGui::Button("Merge")) actions.add(ExportAction(StartMerge{}));
  ImGui::EndDisabled();
  ImGui::SameLine();
  ImGui::BeginDisabled(!job.active());
  if (ImGui::Button("Stop")) actions.add(ExportAction(StopMerge{}));
  ImGui::EndDisabled();
  draw_job_line(job);
  if (!state.export_.receipt.empty())
    ImGui::TextWrapped("The error of each layer: %s", state.export_.receipt.c_str());
  ImGui::BeginDisabled(job.active());
  draw_form(state, FormId::kMerge, actions);
  ImGui::EndDisabled();
}

}  // namespace dorabooth
