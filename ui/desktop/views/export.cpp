#include "ui/desktop/views/export.h"

#include <imgui.h>
#include <imgui_stdlib.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "pipelines/adapter_argument.h"
#include "src/base/atomic_file.h"
#include "ui/desktop/heavy_jobs.h"
#include "ui/desktop/theme.h"
#include "ui/desktop/views/export_convert.h"
#include "ui/desktop/widgets/form.h"
#include "ui/desktop/widgets/job_line.h"
#include "ui/desktop/widgets/path_text.h"
#include "ui/desktop/widgets/receipt_table.h"
#include "ui/desktop/widgets/selectable_text.h"

namespace dorabooth {

namespace {

constexpr const char* kAdapters = "adapter_path";

void set_adapters(const std::vector<std::string>& adapters, Actions& actions) {
  actions.add(FormAction(SetField{FormId::kMerge, kAdapters, adapters}));
}

AdapterArgument read_adapter(const std::string& text) {
  if (text.empty()) return {};
  try {
    return parse_adapter_argument(text);
  } catch (const std::exception&) {
    AdapterArgument argument;
    argument.path = text;
    return argument;
  }
}

// FILE and strength of one adapter; true if it was removed.
bool draw_adapter(const State& state, size_t index, Actions& actions) {
  std::vector<std::string> adapters = state.project.merge.adapter_path;
  AdapterArgument argument = read_adapter(adapters[index]);
  const float size = ImGui::GetFontSize();
  ImGui::PushID(static_cast<int>(index));
  bool edited = false;
  bool ended = false;
  ImGui::SetNextItemWidth(std::max(8 * size, ImGui::GetContentRegionAvail().x - 14 * size));
  edited |= ImGui::InputText("##file", &argument.path);
  ended |= ImGui::IsItemDeactivatedAfterEdit();
  show_end_of_path(argument.path);
  ImGui::SetItemTooltip("%s", argument.path.c_str());
  ImGui::SameLine();
  ImGui::SetNextItemWidth(6 * size);
  edited |= ImGui::DragScalar("##strength", ImGuiDataType_Double, &argument.strength, 0.01F,
                              nullptr, nullptr, "× %.2f");
  ended |= ImGui::IsItemDeactivatedAfterEdit();
  ImGui::SetItemTooltip("Strength");
  ImGui::SameLine();
  const bool removed = ImGui::Button("Remove");
  ImGui::PopID();
  if (edited) adapters[index] = argument.text();
  if (removed) adapters.erase(adapters.begin() + static_cast<std::ptrdiff_t>(index));
  if (edited || removed) set_adapters(adapters, actions);
  if (ended || removed) actions.add(FormAction(EndEdit{}));
  return removed;
}

// The adapters of the last run, each with a button of its own.
void draw_trained(const State& state, Actions& actions) {
  for (const std::string& path : state.project.trained_adapters) {
    ImGui::SameLine();
    const std::string name = parse_adapter_argument(path).name;
    ImGui::PushID(path.c_str());
    if (ImGui::Button(("Add " + name).c_str())) {
      std::vector<std::string> adapters = state.project.merge.adapter_path;
      adapters.push_back(path);
      set_adapters(adapters, actions);
      actions.add(FormAction(EndEdit{}));
    }
    ImGui::SetItemTooltip("%s", path.c_str());
    ImGui::PopID();
  }
}

void draw_adapters(const State& state, Actions& actions) {
  ImGui::SeparatorText("Adapters, merged in this order");
  const std::vector<std::string>& adapters = state.project.merge.adapter_path;
  for (size_t i = 0; i < adapters.size(); ++i) {
    if (draw_adapter(state, i, actions)) break;
  }
  if (ImGui::Button("Add a file...")) {
    FileQuestion question;
    question.use = FileUse::kAddToField;
    question.form = FormId::kMerge;
    question.field = kAdapters;
    question.title = "An adapter";
    question.start = state.places.results + "/";
    actions.add(FileAction(AskForFile{question}));
  }
  draw_trained(state, actions);
  const auto& problems = state.form(FormId::kMerge).problems;
  if (const auto problem = problems.find(kAdapters); problem != problems.end()) {
    ImGui::PushStyleColor(ImGuiCol_Text,
                          adapters.empty() ? warning_text_color() : error_text_color());
    const char* nothing = "Nothing to merge yet: add an adapter.";
    ImGui::TextWrapped("%s", adapters.empty() ? nothing : problem->second.c_str());
    ImGui::PopStyleColor();
  }
}

void draw_plan(const State& state) {
  const ExportState& merge = state.export_;
  if (merge.planning) {
    ImGui::TextDisabled("Looking at the files...");
  } else if (!merge.plan.problems.empty()) {
    ImGui::TextWrapped("Something is missing or wrong: it is marked beside the settings.");
  } else if (merge.plan.tensors > 0) {
    const bool fits = merge.plan.bytes <= merge.plan.free_bytes;
    if (!fits) ImGui::PushStyleColor(ImGuiCol_Text, error_text_color());
    ImGui::TextWrapped("%lld tensors, %s to be written; %s are free there%s",
                       static_cast<long long>(merge.plan.tensors),
                       bytes_text(merge.plan.bytes).c_str(),
                       bytes_text(merge.plan.free_bytes).c_str(), fits ? "." : ": too little.");
    if (!fits) ImGui::PopStyleColor();
  }
}

void draw_result(const MergeReport& report, Actions& actions) {
  ImGui::SeparatorText("The receipt");
  draw_selectable_text("##path", report.path);
  if (ImGui::Button("Copy path")) actions.add(AppAction(CopyText{report.path}));
  ImGui::SameLine();
  if (ImGui::Button("Inspect it")) actions.add(InspectAction(InspectFile{report.path}));
  ImGui::SameLine();
  if (ImGui::Button("Copy the receipt's path")) actions.add(AppAction(CopyText{report.receipt}));
  if (report.largest_pixel_difference) {
    ImGui::TextWrapped(
        "A picture of the merged model differs from one of base and adapters by at "
        "most %d of 255.",
        *report.largest_pixel_difference);
  }
  draw_receipt_table(report.layers, actions);
}

void draw_merge_run(const State& state, Actions& actions) {
  const JobState& job = state.jobs[JobId::kMerge];
  const bool free = what_is_in_the_way(state.jobs, JobId::kMerge).empty();
  ImGui::BeginDisabled(job.active() || !free);
  if (ImGui::Button("Start merging")) actions.add(ExportAction(StartMerge{}));
  ImGui::EndDisabled();
  ImGui::SameLine();
  ImGui::BeginDisabled(!job.active());
  if (ImGui::Button("Stop")) actions.add(ExportAction(StopMerge{}));
  ImGui::EndDisabled();
  draw_plan(state);
  draw_what_is_in_the_way(state.jobs, JobId::kMerge);
  if (job.phase != JobState::Phase::kIdle) draw_job_line(job);
  if (state.export_.report) {
    draw_result(*state.export_.report, actions);
  } else if (job.phase == JobState::Phase::kIdle) {
    ImGui::TextWrapped(
        "Merging writes the base with the adapters inside, for tools that know no DoRA. Give the "
        "adapters and where the result goes. The error of every layer is shown here afterwards.");
  }
}

ImGuiTabItemFlags tab_flags(const State& state, ExportTab tab) {
  return state.export_.to_tab == tab ? ImGuiTabItemFlags_SetSelected : ImGuiTabItemFlags_None;
}

void draw_merge(const State& state, Actions& actions) {
  const bool active = state.jobs[JobId::kMerge].active();
  if (!active && !state.export_.planning &&
      state.export_.planned != merge_fields().to_json(&state.project.merge).dump())
    actions.add(ExportAction(CheckMerge{}));
  const float width = ImGui::GetContentRegionAvail().x;
  if (ImGui::BeginChild("Request", {0.5F * width, 0}, ImGuiChildFlags_NavFlattened)) {
    ImGui::BeginDisabled(active);
    draw_adapters(state, actions);
    ImGui::Spacing();
    draw_form(state, FormId::kMerge, actions, {kAdapters});
    ImGui::EndDisabled();
  }
  ImGui::EndChild();
  ImGui::SameLine();
  if (ImGui::BeginChild("Run", {0, 0}, ImGuiChildFlags_NavFlattened))
    draw_merge_run(state, actions);
  ImGui::EndChild();
}

}  // namespace

void draw_export(const State& state, Actions& actions, Widgets&) {
  if (!ImGui::BeginTabBar("Ways")) return;
  if (ImGui::BeginTabItem("Merge", nullptr, tab_flags(state, ExportTab::kMerge))) {
    draw_merge(state, actions);
    ImGui::EndTabItem();
  }
  if (ImGui::BeginTabItem("Convert", nullptr, tab_flags(state, ExportTab::kConvert))) {
    draw_export_convert(state, actions);
    ImGui::EndTabItem();
  }
  ImGui::EndTabBar();
}

}  // namespace dorabooth
