#include "ui/desktop/views/compare.h"

#include <imgui.h>

#include "ui/desktop/widgets/form.h"
#include "ui/desktop/widgets/job_line.h"

namespace dorabooth {

void draw_compare(const State& state, Actions& actions, Widgets&) {
  const JobState& job = state.jobs[JobId::kCompare];
  ImGui::TextWrapped(
      "Give prompts, seeds and columns (NAME=FILE, a trained adapter), and compare: base and "
      "adapters start from the same noise.");
  ImGui::BeginDisabled(job.active());
  if (ImGui::Button("Compare")) actions.add(CompareAction(StartCompare{}));
  ImGui::EndDisabled();
  ImGui::SameLine();
  ImGui::BeginDisabled(!job.active());
  if (ImGui::Button("Stop")) actions.add(CompareAction(StopCompare{}));
  ImGui::EndDisabled();
  draw_job_line(job);
  ImGui::BeginDisabled(job.active());
  draw_form(state, FormId::kCompare, actions);
  ImGui::EndDisabled();
}

}  // namespace dorabooth
