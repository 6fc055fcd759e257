#include "ui/desktop/widgets/preview_grid.h"

#include <imgui.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>

namespace dorabooth {

namespace {

using Column = std::pair<int64_t, int64_t>;  // −step, adapter: the newest step stands left

Column column_of(const TrainPreview& preview) { return {-preview.step, preview.column}; }

void draw_picture(const TrainPreview& preview, float side, TextureStore& textures) {
  // A cell that is scrolled away asks for no texture.
  if (!ImGui::IsRectVisible({side, side})) return ImGui::Dummy({side, side});
  const std::string cell = "train/" + std::to_string(preview.step) + "/" +
                           std::to_string(preview.row) + "/" + std::to_string(preview.column);
  const Texture texture = textures.show(cell, preview.image);
  if (texture.id == 0) return ImGui::Dummy({side, side});
  ImGui::Image(texture.id, {side, side});
  ImGui::SetItemTooltip("%s, %s, after step %lld", preview.adapter.c_str(),
                        preview.row_label.c_str(), static_cast<long long>(preview.step));
}

void draw_heading(const TrainPreview& preview) {
  ImGui::Text("%s", preview.adapter.c_str());
  ImGui::TextDisabled("step %lld", static_cast<long long>(preview.step));
}

}  // namespace

void draw_preview_grid(const TrainState& train, TextureStore& textures) {
  std::vector<Column> columns;
  std::set<int64_t> rows;
  for (const TrainPreview& preview : train.previews) {
    if (columns.empty() || columns.back() != column_of(preview))
      columns.push_back(column_of(preview));
    rows.insert(preview.row);
  }
  if (columns.empty()) return;
  // As large as lets two columns and two rows stand side by side, and no larger than the pictures.
  const ImVec2 room = ImGui::GetContentRegionAvail();
  const float fitting = 0.5F * std::min(room.x, room.y) - 3 * ImGui::GetFontSize();
  const float side = std::max(6 * ImGui::GetFontSize(), fitting);
  constexpr ImGuiTableFlags kFlags =
      ImGuiTableFlags_ScrollX | ImGuiTableFlags_ScrollY | ImGuiTableFlags_SizingFixedFit;
  // One table of all columns; ImGui allows 512.
  const int count = static_cast<int>(std::min<size_t>(columns.size(), 512));
  if (!ImGui::BeginTable("previews", count, kFlags)) return;
  ImGui::TableSetupScrollFreeze(0, 1);
  ImGui::TableNextRow();
  const TrainPreview* last = nullptr;
  for (const TrainPreview& preview : train.previews) {
    const auto at = std::find(columns.begin(), columns.end(), column_of(preview));
    if (last && column_of(*last) == column_of(preview)) continue;
    last = &preview;
    if (ImGui::TableSetColumnIndex(static_cast<int>(at - columns.begin()))) draw_heading(preview);
  }
  for (const int64_t row : rows) {
    ImGui::TableNextRow();
    for (const TrainPreview& preview : train.previews) {
      if (preview.row != row) continue;
      const auto at = std::find(columns.begin(), columns.end(), column_of(preview));
      if (ImGui::TableSetColumnIndex(static_cast<int>(at - columns.begin())))
        draw_picture(preview, side, textures);
    }
  }
  ImGui::EndTable();
}

}  // namespace dorabooth
