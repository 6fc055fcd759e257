#include "ui/desktop/widgets/receipt_table.h"

#include <imgui.h>

#include "ui/desktop/widgets/layer_name.h"

namespace dorabooth {

namespace {

void draw_number(double value) {
  ImGui::TableNextColumn();
  ImGui::Text("%.3g", value);
}

void draw_row(const MergedLayer& layer) {
  ImGui::TableNextRow();
  ImGui::TableNextColumn();
  draw_layer_name(layer.module);
  draw_number(layer.largest_change);
  draw_number(layer.rounding);
  draw_number(layer.forward_error);
}

}  // namespace

void draw_receipt_table(const std::vector<MergedLayer>& layers, Actions& actions) {
  constexpr ImGuiTableFlags kFlags = ImGuiTableFlags_Sortable | ImGuiTableFlags_RowBg |
                                     ImGuiTableFlags_BordersInnerV | ImGuiTableFlags_ScrollY |
                                     ImGuiTableFlags_Resizable | ImGuiTableFlags_SizingFixedFit;
  if (!ImGui::BeginTable("layers", 4, kFlags)) return;
  ImGui::TableSetupScrollFreeze(0, 1);
  ImGui::TableSetupColumn("Layer", ImGuiTableColumnFlags_WidthStretch);
  for (const char* name : {"Largest change", "Rounding", "Forward error"})
    ImGui::TableSetupColumn(name, ImGuiTableColumnFlags_PreferSortDescending);
  ImGui::TableHeadersRow();
  if (ImGuiTableSortSpecs* specs = ImGui::TableGetSortSpecs(); specs && specs->SpecsDirty) {
    if (specs->SpecsCount > 0) {
      actions.add(ExportAction(
          SortReceipt{static_cast<ReceiptColumn>(specs->Specs[0].ColumnIndex),
                      specs->Specs[0].SortDirection == ImGuiSortDirection_Descending}));
    }
    specs->SpecsDirty = false;
  }
  ImGuiListClipper clipper;
  clipper.Begin(static_cast<int>(layers.size()));
  while (clipper.Step()) {
    for (int i = clipper.DisplayStart; i < clipper.DisplayEnd; ++i)
      draw_row(layers[static_cast<size_t>(i)]);
  }
  ImGui::EndTable();
}

}  // namespace dorabooth
