#include "ui/desktop/widgets/change_table.h"

#include <imgui.h>
#include <implot.h>

#include <cmath>
#include <string>

#include "ui/desktop/widgets/layer_name.h"

namespace dorabooth {

namespace {

// "-" where it is not defined.
void draw_number(double value) {
  ImGui::TableNextColumn();
  if (std::isfinite(value)) {
    ImGui::Text("%.4g", value);
  } else {
    ImGui::TextUnformatted("-");
  }
}

// The series' colour in the plots.
void draw_swatch(int color) {
  const float size = 0.7F * ImGui::GetFontSize();
  const ImVec2 at = ImGui::GetCursorScreenPos();
  const float top = at.y + 0.5F * (ImGui::GetTextLineHeight() - size);
  ImGui::GetWindowDrawList()->AddRectFilled(
      {at.x, top}, {at.x + size, top + size},
      ImGui::ColorConvertFloat4ToU32(ImPlot::GetColormapColor(color)));
  ImGui::Dummy({size, size});
  ImGui::SameLine();
}

WeightChange mean_change(const ChangeSeries& series, VectorAxis axis) {
  WeightChange mean;
  const auto count = static_cast<double>(series.records.size());
  for (const LayerChange& record : series.records) {
    mean.magnitude += change_on(axis, record).magnitude / count;
    mean.direction += change_on(axis, record).direction / count;
  }
  return mean;
}

void draw_row(const ChangeRow& row, const AnalyzeState& analyze, int index, Actions& actions) {
  const std::string& layer = row.change.layer;
  ImGui::TableNextRow();
  ImGui::TableNextColumn();
  const std::string label =
      end_that_fits(layer, ImGui::GetContentRegionAvail().x) + "##" + std::to_string(index);
  const bool chosen = layer == analyze.layer;
  if (ImGui::Selectable(label.c_str(), chosen, ImGuiSelectableFlags_SpanAllColumns))
    actions.add(AnalyzeAction(ChooseLayer{chosen ? "" : layer}));
  ImGui::SetItemTooltip("%s", layer.c_str());
  ImGui::TableNextColumn();
  ImGui::TextUnformatted(row.series.c_str());
  ImGui::TableNextColumn();
  if (row.change.step >= 0) {
    ImGui::Text("%lld", static_cast<long long>(row.change.step));
  } else {
    ImGui::TextUnformatted("-");
  }
  draw_number(change_on(analyze.axis, row.change).magnitude);
  draw_number(change_on(analyze.axis, row.change).direction);
}

void take_order(Actions& actions) {
  ImGuiTableSortSpecs* specs = ImGui::TableGetSortSpecs();
  if (!specs || !specs->SpecsDirty) return;
  if (specs->SpecsCount > 0) {
    actions.add(
        AnalyzeAction(SortChanges{static_cast<ChangeColumn>(specs->Specs[0].ColumnIndex),
                                  specs->Specs[0].SortDirection == ImGuiSortDirection_Descending}));
  }
  specs->SpecsDirty = false;
}

}  // namespace

void draw_series_table(const AnalyzeReport& report, VectorAxis axis) {
  constexpr ImGuiTableFlags kFlags =
      ImGuiTableFlags_RowBg | ImGuiTableFlags_BordersInnerV | ImGuiTableFlags_SizingFixedFit;
  if (!ImGui::BeginTable("series", 6, kFlags)) return;
  ImGui::TableSetupColumn("Series", ImGuiTableColumnFlags_WidthStretch);
  for (const char* name : {"Points", "Mean ΔM", "Mean ΔD", "Correlation", "Slope"})
    ImGui::TableSetupColumn(name);
  ImGui::TableHeadersRow();
  int color = 0;
  for (const ChangeSeries& series : report.series) {
    const WeightChange mean = mean_change(series, axis);
    ImGui::TableNextRow();
    ImGui::TableNextColumn();
    draw_swatch(color++);
    ImGui::TextUnformatted(series.name.c_str());
    ImGui::TableNextColumn();
    ImGui::Text("%zu", series.records.size());
    draw_number(mean.magnitude);
    draw_number(mean.direction);
    draw_number(trend_on(axis, series).pearson);
    draw_number(trend_on(axis, series).slope);
  }
  ImGui::EndTable();
}

void draw_change_table(const AnalyzeState& analyze, Actions& actions) {
  constexpr ImGuiTableFlags kFlags = ImGuiTableFlags_Sortable | ImGuiTableFlags_RowBg |
                                     ImGuiTableFlags_BordersInnerV | ImGuiTableFlags_ScrollY |
                                     ImGuiTableFlags_Resizable | ImGuiTableFlags_SizingFixedFit;
  if (!ImGui::BeginTable("changes", 5, kFlags)) return;
  ImGui::TableSetupScrollFreeze(0, 1);
  ImGui::TableSetupColumn("Layer", ImGuiTableColumnFlags_WidthStretch);
  ImGui::TableSetupColumn("Series");
  ImGui::TableSetupColumn("Step");
  ImGui::TableSetupColumn("ΔM", ImGuiTableColumnFlags_PreferSortDescending);
  ImGui::TableSetupColumn("ΔD", ImGuiTableColumnFlags_PreferSortDescending);
  ImGui::TableHeadersRow();
  take_order(actions);
  ImGuiListClipper clipper;
  clipper.Begin(static_cast<int>(analyze.rows.size()));
  while (clipper.Step()) {
    for (int i = clipper.DisplayStart; i < clipper.DisplayEnd; ++i)
      draw_row(analyze.rows[static_cast<size_t>(i)], analyze, i, actions);
  }
  ImGui::EndTable();
}

}  // namespace dorabooth
