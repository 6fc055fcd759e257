// Left the pictures or the class pictures, right the selected one. A survey of other settings than
// the present ones is asked for whenever this window is seen.
#include "ui/desktop/views/dataset.h"

#include <imgui.h>

#include "ui/desktop/theme.h"
#include "ui/desktop/views/dataset_class.h"
#include "ui/desktop/views/dataset_grid.h"
#include "ui/desktop/views/dataset_picture.h"
#include "ui/desktop/widgets/job_line.h"

namespace dorabooth {

namespace {

void ask_for_folder(const State& state, const char* field, const char* title,
                    const std::string& start, Actions& actions) {
  FileQuestion question;
  question.kind = FileQuestionKind::kOpenFolder;
  question.form = FormId::kTrain;
  question.field = field;
  question.title = title;
  question.start = start.empty() ? state.places.home : start;
  actions.add(FileAction(AskForFile{question}));
}

void draw_folder(const State& state, Actions& actions) {
  const std::string& folder = state.project.train.instance_data_dir;
  const JobState& job = state.jobs[JobId::kDataset];
  if (ImGui::Button("Choose a folder..."))
    ask_for_folder(state, "instance_data_dir", "Choose a folder of pictures", folder, actions);
  if (folder.empty()) return;
  ImGui::SameLine();
  if (job.active()) {
    if (ImGui::Button("Stop reading")) actions.add(DatasetAction(StopReading{}));
  } else {
    if (ImGui::Button("Read again")) actions.add(DatasetAction(ReadDataset{}));
  }
  ImGui::SameLine();
  ImGui::AlignTextToFramePadding();
  ImGui::TextWrapped("%s", folder.c_str());
}

void ask_for_survey(const State& state, Actions& actions) {
  const JobState& job = state.jobs[JobId::kDataset];
  const bool can_ask = !job.active() || job.phase == JobState::Phase::kRunning;
  if (can_ask && survey_request_of(state.project.train) != state.dataset.request)
    actions.add(DatasetAction(ReadDataset{}));
}

// Instead of pictures, before the first survey has ended.
void draw_without_report(const JobState& job) {
  if (job.phase == JobState::Phase::kFailed) {
    ImGui::PushStyleColor(ImGuiCol_Text, error_text_color());
    ImGui::TextWrapped("The folder cannot be used: %s", job.message.c_str());
    ImGui::PopStyleColor();
    ImGui::TextWrapped("Choose another folder, or mend it and read it again.");
  } else if (job.active()) {
    draw_job_line(job);
  } else {
    ImGui::TextWrapped("The folder was not read to its end. Read it again to see its pictures.");
  }
}

// Left: the pictures, and in a tab of their own those of the class.
void draw_kinds(const State& state, Actions& actions, Widgets& widgets) {
  if (!ImGui::BeginTabBar("Kinds")) return;
  if (ImGui::BeginTabItem("Pictures")) {
    draw_dataset_grid(state, actions, widgets, ImGui::GetContentRegionAvail().y);
    ImGui::EndTabItem();
  }
  if (ImGui::BeginTabItem("Class pictures")) {
    draw_dataset_class(state, actions, widgets);
    ImGui::EndTabItem();
  }
  ImGui::EndTabBar();
}

}  // namespace

void draw_dataset(const State& state, Actions& actions, Widgets& widgets) {
  draw_folder(state, actions);
  if (state.project.train.instance_data_dir.empty()) {
    ImGui::TextWrapped("Drop a folder of pictures on this window, or choose one.");
    return;
  }
  ask_for_survey(state, actions);
  if (!state.dataset.report) return draw_without_report(state.jobs[JobId::kDataset]);
  const ImVec2 size = ImGui::GetContentRegionAvail();
  if (ImGui::BeginChild("Left", {0.55F * size.x, 0}, ImGuiChildFlags_NavFlattened))
    draw_kinds(state, actions, widgets);
  ImGui::EndChild();
  ImGui::SameLine();
  if (ImGui::BeginChild("Picture", {0, 0}, ImGuiChildFlags_NavFlattened))
    draw_dataset_picture(state, actions, widgets);
  ImGui::EndChild();
}

}  // namespace dorabooth
