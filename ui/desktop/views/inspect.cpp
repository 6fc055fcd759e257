#include "ui/desktop/views/inspect.h"

#include <imgui.h>

#include "ui/desktop/theme.h"
#include "ui/desktop/widgets/job_line.h"
#include "ui/desktop/widgets/selectable_text.h"
#include "ui/desktop/widgets/verdict_table.h"

namespace dorabooth {

namespace {

void draw_button(const char* label, FileQuestionKind kind, const InspectState& inspect,
                 Actions& actions) {
  if (!ImGui::Button(label)) return;
  FileQuestion question;
  question.kind = kind;
  question.use = FileUse::kInspect;
  question.title = kind == FileQuestionKind::kOpenFolder ? "Inspect a folder" : "Inspect a file";
  question.start = inspect.path;
  actions.add(FileAction(AskForFile{question}));
}

void draw_facts(const InspectState& inspect) {
  constexpr ImGuiTableFlags kFlags = ImGuiTableFlags_RowBg | ImGuiTableFlags_BordersInnerV |
                                     ImGuiTableFlags_SizingFixedFit | ImGuiTableFlags_Resizable;
  if (!ImGui::BeginTable("facts", 2, kFlags)) return;
  ImGui::TableSetupColumn("Fact");
  ImGui::TableSetupColumn("Value", ImGuiTableColumnFlags_WidthStretch);
  for (size_t i = 0; i < inspect.facts.size(); ++i) {
    const auto& [name, value] = inspect.facts[i];
    if (!inspect.readers.empty() && name.starts_with("read by "))
      continue;  // in a table of its own
    ImGui::TableNextRow();
    ImGui::TableNextColumn();
    ImGui::TextUnformatted(name.c_str());
    ImGui::TableNextColumn();
    ImGui::PushID(static_cast<int>(i));
    draw_selectable_text("##value", value);
    ImGui::PopID();
  }
  ImGui::EndTable();
}

void draw_problems(const InspectState& inspect) {
  if (inspect.problems.empty()) {
    ImGui::TextUnformatted("No problem was found.");
    return;
  }
  ImGui::PushStyleColor(ImGuiCol_Text, warning_text_color());
  for (size_t i = 0; i < inspect.problems.size(); ++i) {
    ImGui::PushID(static_cast<int>(i));
    draw_selectable_text("##problem", "Problem: " + inspect.problems[i]);
    ImGui::PopID();
  }
  ImGui::PopStyleColor();
}

void draw_readers(const InspectState& inspect) {
  if (!inspect.adapter) return;
  if (inspect.base.empty()) {
    ImGui::TextWrapped(
        "Choose the base that it is for in the Start window, and inspect it again, to see what "
        "other programs make of it.");
    return;
  }
  if (inspect.readers.empty()) return;
  ImGui::SeparatorText("What each program computes from it");
  ImGui::TextDisabled("with the base %s", inspect.base.c_str());
  draw_verdict_table(inspect.readers);
  ImGui::SeparatorText("What is in it");
}

void draw_report(const InspectState& inspect, Actions& actions) {
  ImGui::TextWrapped("%s", inspect.summary.c_str());
  draw_problems(inspect);
  if (ImGui::Button("Copy as JSON")) actions.add(AppAction(CopyText{inspect.json}));
  if (ImGui::BeginChild("Facts")) {
    draw_readers(inspect);
    draw_facts(inspect);
  }
  ImGui::EndChild();
}

}  // namespace

void draw_inspect(const State& state, Actions& actions, Widgets&) {
  const InspectState& inspect = state.inspect;
  const JobState& job = state.jobs[JobId::kInspect];
  ImGui::BeginDisabled(job.active());
  draw_button("Choose a file...", FileQuestionKind::kOpenFile, inspect, actions);
  ImGui::SameLine();
  draw_button("Choose a folder...", FileQuestionKind::kOpenFolder, inspect, actions);
  ImGui::EndDisabled();
  if (job.active() && job.total > 0) {
    ImGui::SameLine();
    if (ImGui::Button("Stop")) actions.add(InspectAction(StopInspect{}));
  }
  if (inspect.path.empty()) {
    ImGui::TextWrapped(
        "Drop a .safetensors file or a model's folder on this window, or choose one, to see what "
        "it is: a base or an adapter, of which kind, with which numbers, and what is wrong with "
        "it.");
    return;
  }
  ImGui::SeparatorText(inspect.path.c_str());
  if (!inspect.summary.empty()) {
    draw_report(inspect, actions);
  } else if (job.active()) {
    ImGui::TextUnformatted("The file is being read.");
    if (job.total > 0) draw_job_line(job);
  } else {
    draw_job_line(job);
  }
}

}  // namespace dorabooth
