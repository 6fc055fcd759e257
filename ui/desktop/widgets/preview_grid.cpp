#include "ui/desktop/widgets/preview_grid.h"

#include <imgui.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>

namespace dorabooth {

namespace {

using Column = std::pair<int64_t, int64_t>;  // of column_of()

bool is_base(const TrainPreview& preview) { return preview.column == 0; }

void draw_picture(const TrainPreview& preview, float side, TextureStore& textures) {
  // A cell that is scrolled away asks for no texture.
  if (!ImGui::IsRectVisible({side, side})) return ImGui::Dummy({side, side});
  const std::string step = is_base(preview) ? "base" : std::to_string(preview.step);
  const std::string cell =
      "train/" + step + "/" + std::to_string(preview.row) + "/" + std::to_string(preview.column);
  const Texture texture = textures.show(cell, preview.image);
  if (texture.id == 0) return ImGui::Dummy({side, side});
  ImGui::Image(texture.id, {side, side});
  const std::string when = is_base(preview) ? "" : ", after step " + step;
  ImGui::SetItemTooltip("%s, %s%s", preview.adapter.c_str(), preview.row_label.c_str(),
                        when.c_str());
}

// The row's label stands under the picture that is always seen.
void draw_label(const TrainPreview& preview, float side) {
  ImGui::PushTextWrapPos(ImGui::GetCursorPosX() + side);
  ImGui::TextDisabled("%s", preview.row_label.c_str());
  ImGui::PopTextWrapPos();
}

void draw_heading(const TrainPreview& preview) {
  ImGui::Text("%s", preview.adapter.c_str());
  if (!is_base(preview)) ImGui::TextDisabled("step %lld", static_cast<long long>(preview.step));
}

// As large as lets the base, two adapters and two rows stand side by side.
float side_of(size_t columns) {
  const ImVec2 room = ImGui::GetContentRegionAvail();
  const auto beside = static_cast<float>(std::clamp<size_t>(columns, 2, 3));
  const float fitting =
      std::min(room.x / beside - ImGui::GetFontSize(), 0.5F * room.y - 3 * ImGui::GetFontSize());
  return std::max(6 * ImGui::GetFontSize(), fitting);
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
  const float side = side_of(columns.size());
  const bool has_base = is_base(train.previews.front());
  constexpr ImGuiTableFlags kFlags =
      ImGuiTableFlags_ScrollX | ImGuiTableFlags_ScrollY | ImGuiTableFlags_SizingFixedFit;
  // One table of all columns; ImGui allows 512.
  const int count = static_cast<int>(std::min<size_t>(columns.size(), 512));
  if (!ImGui::BeginTable("previews", count, kFlags)) return;
  ImGui::TableSetupScrollFreeze(has_base ? 1 : 0, 1);
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
      if (!ImGui::TableSetColumnIndex(static_cast<int>(at - columns.begin()))) continue;
      draw_picture(preview, side, textures);
      if (is_base(preview)) draw_label(preview, side);
    }
  }
  ImGui::EndTable();
}

}  // namespace dorabooth
