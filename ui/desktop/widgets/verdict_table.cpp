#include "ui/desktop/widgets/verdict_table.h"

#include <imgui.h>

#include "ui/desktop/theme.h"

namespace dorabooth {

namespace {

// Errors are shares of the change that the adapter makes.
void draw_error(const ReaderVerdict& verdict, double error) {
  ImGui::TableNextColumn();
  if (verdict.applied == 0) {
    ImGui::TextUnformatted("-");
  } else {
    ImGui::Text("%.1e", error);
  }
}

void draw_row(const ReaderVerdict& verdict) {
  ImGui::TableNextRow();
  ImGui::TableNextColumn();
  ImGui::TextUnformatted(verdict.consumer.c_str());
  ImGui::TableNextColumn();
  if (verdict.is_wrong) ImGui::PushStyleColor(ImGuiCol_Text, warning_text_color());
  ImGui::TextWrapped("%s", verdict.sentence.c_str());
  if (verdict.is_wrong) ImGui::PopStyleColor();
  if (!verdict.worst_layer.empty())
    ImGui::SetItemTooltip("%lld of %lld modules read, %lld not shown; the largest error is in %s",
                          static_cast<long long>(verdict.applied + verdict.not_shown),
                          static_cast<long long>(verdict.modules),
                          static_cast<long long>(verdict.not_shown), verdict.worst_layer.c_str());
  draw_error(verdict, verdict.error);
  draw_error(verdict, verdict.error_half_peft);
  draw_error(verdict, verdict.error_half_lerp);
}

}  // namespace

void draw_verdict_table(const std::vector<ReaderVerdict>& verdicts) {
  constexpr ImGuiTableFlags kFlags = ImGuiTableFlags_RowBg | ImGuiTableFlags_BordersInnerV |
                                     ImGuiTableFlags_Resizable | ImGuiTableFlags_SizingFixedFit;
  if (!ImGui::BeginTable("readers", 5, kFlags)) return;
  ImGui::TableSetupColumn("Program");
  ImGui::TableSetupColumn("What it computes", ImGuiTableColumnFlags_WidthStretch);
  struct Column {
    const char* name;
    const char* meaning;
  };
  constexpr Column kErrors[] = {
      {"Error at 1",
       "At strength 1: the largest error of a layer's weight, as a share of the change that the "
       "adapter makes to it (of one rounding in the base's type, where it hardly changes it)"},
      {"At 1/2, PEFT",
       "The same at half strength, where that means PEFT's rule: half of the update before the "
       "norm"},
      {"At 1/2, lerp", "The same at half strength, where that means half of the way to the result"},
  };
  for (const Column& column : kErrors) ImGui::TableSetupColumn(column.name);
  ImGui::TableNextRow(ImGuiTableRowFlags_Headers);
  for (int i = 0; i < 5; ++i) {
    ImGui::TableSetColumnIndex(i);
    ImGui::TableHeader(ImGui::TableGetColumnName(i));
    if (i >= 2) ImGui::SetItemTooltip("%s", kErrors[i - 2].meaning);
  }
  for (const ReaderVerdict& verdict : verdicts) draw_row(verdict);
  ImGui::EndTable();
}

}  // namespace dorabooth
