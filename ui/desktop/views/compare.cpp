#include "ui/desktop/views/compare.h"

#include <imgui.h>

#include <filesystem>

#include "ui/desktop/heavy_jobs.h"
#include "ui/desktop/views/compare_pictures.h"
#include "ui/desktop/views/compare_settings.h"
#include "ui/desktop/widgets/job_line.h"

namespace dorabooth {

namespace {

void draw_button(const char* label, const char* tip, bool enabled, const Action& action,
                 Actions& actions) {
  ImGui::BeginDisabled(!enabled);
  if (ImGui::Button(label)) actions.add(action);
  ImGui::EndDisabled();
  if (ImGui::IsItemHovered(ImGuiHoveredFlags_ForTooltip | ImGuiHoveredFlags_AllowWhenDisabled))
    ImGui::SetTooltip("%s", tip);
  ImGui::SameLine();
}

Action ask_where(const State& state, const char* title, const char* ending) {
  FileQuestion question;
  question.kind = FileQuestionKind::kSaveFile;
  question.use = FileUse::kSaveComparison;
  question.title = title;
  question.start =
      std::filesystem::path(state.project.compare.output).replace_extension(ending).string();
  return FileAction(AskForFile{question});
}

void draw_toolbar(const State& state, const CompareGrid& grid, Actions& actions) {
  const JobState& job = state.jobs[JobId::kCompare];
  const bool ready = !job.active() && grid.problem.empty() &&
                     what_is_in_the_way(state.jobs, JobId::kCompare).empty();
  const bool drawn = !state.compare.pictures.empty() && grid.problem.empty();
  draw_button("Draw", "What is not drawn yet, or with other settings (Ctrl+Enter)", ready,
              CompareAction(StartCompare{}), actions);
  draw_button("Stop", "The pictures that are finished stay (Ctrl+Shift+Enter)", job.active(),
              CompareAction(StopCompare{}), actions);
  draw_button("Draw all again", "Also what was drawn with these settings (Ctrl+R)", ready && drawn,
              CompareAction(DrawAllAgain{}), actions);
  draw_button("Save sheet...", "One picture with all cells, PNG (Ctrl+P)", drawn,
              ask_where(state, "Save the sheet", ".png"), actions);
  draw_button("Save page...", "One page with all pictures in it, HTML (Ctrl+Shift+P)", drawn,
              ask_where(state, "Save the page", ".html"), actions);
  ImGui::NewLine();
  draw_what_is_in_the_way(state.jobs, JobId::kCompare);
  if (job.phase != JobState::Phase::kIdle) draw_job_line(job);
}

void draw_pictures(const State& state, const CompareGrid& grid, const CompareRequest& request,
                   Actions& actions, Widgets& widgets) {
  if (!grid.problem.empty()) {
    ImGui::TextWrapped("%s", grid.problem.c_str());
    return;
  }
  const JobState& job = state.jobs[JobId::kCompare];
  if (state.compare.pictures.empty() && !job.active()) {
    ImGui::TextWrapped(
        "Press Draw: each row is drawn from the same noise, so that what differs is the adapter.");
  }
  ComparePictures pictures{state, grid, request, actions, widgets, {}};
  const float line = ImGui::GetTextLineHeightWithSpacing();
  // Arrows, Enter and Tab are the pictures' own here.
  if (ImGui::BeginChild("Pictures", {0, -line}, ImGuiChildFlags_None,
                        ImGuiWindowFlags_NoNavInputs | ImGuiWindowFlags_HorizontalScrollbar)) {
    state.compare.large ? draw_compare_large(pictures) : draw_compare_grid(pictures);
  }
  ImGui::EndChild();
  const char* hint = state.compare.large
                         ? "Space: the other one · Tab: mode · , . : bar or gain · A: against · "
                           "arrows: cell · Esc: back · + - : zoom"
                         : "Ctrl+G: to the pictures · arrows, Tab · Enter: large · S: favourite · "
                           "+ -, Shift+arrows · F: fit · 1: 100 %";
  ImGui::TextDisabled("%s", pictures.status.empty() ? hint : pictures.status.c_str());
}

}  // namespace

void draw_compare(const State& state, Actions& actions, Widgets& widgets) {
  const CompareRequest request = drawn_request(state.project);
  const CompareGrid grid = compare_grid(request);
  if (!state.compare.looked && grid.problem.empty() && !state.jobs[JobId::kCompare].active())
    actions.add(CompareAction(LookForDrawn{}));
  const float font = ImGui::GetFontSize();
  const float width = std::max(20 * font, 0.27F * ImGui::GetContentRegionAvail().x);
  if (ImGui::BeginChild("Settings", {width, 0}, ImGuiChildFlags_NavFlattened))
    draw_compare_settings(state, actions);
  ImGui::EndChild();
  ImGui::SameLine();
  ImGui::BeginGroup();
  draw_toolbar(state, grid, actions);
  if (state.compare.to_pictures) ImGui::SetNextWindowFocus();
  draw_pictures(state, grid, request, actions, widgets);
  ImGui::EndGroup();
}

}  // namespace dorabooth
