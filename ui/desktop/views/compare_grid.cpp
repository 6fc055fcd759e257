// Rows are a prompt and a seed; below each picture stands what it was drawn with.
#include <imgui.h>

#include <algorithm>

#include "ui/desktop/theme.h"
#include "ui/desktop/views/compare_pictures.h"

namespace dorabooth {

namespace {

class GridDrawing {
 public:
  explicit GridDrawing(ComparePictures& pictures)
      : pictures_(pictures), state_(pictures.state), grid_(pictures.grid) {
    const float font = ImGui::GetFontSize();
    const ImVec2 room = ImGui::GetContentRegionAvail();
    gap_ = ImGui::GetStyle().ItemSpacing.x;
    const auto columns = static_cast<float>(grid_.columns.size());
    const float fits = (room.x - ImGui::GetStyle().ScrollbarSize - gap_ * (columns - 1)) / columns;
    const float aspect = height_share();
    // A single row may be as high as the window.
    const float tall = std::max(12 * font, (room.y - 6 * font) / aspect);
    width_ = std::clamp(fits, 8 * font, tall);
    height_ = width_ * aspect;
  }

  void draw() {
    const bool moved = take_compare_keys(pictures_);
    for (size_t row = 0; row < grid_.rows.size(); ++row) draw_row(row, moved);
  }

 private:
  float height_share() const {
    for (size_t row = 0; row < grid_.rows.size(); ++row) {
      for (size_t column = 0; column < grid_.columns.size(); ++column) {
        const DrawnPicture* picture = picture_at(state_.compare, grid_, {row, column});
        if (picture && picture->image->width > 0)
          return static_cast<float>(picture->image->height) /
                 static_cast<float>(picture->image->width);
      }
    }
    return 1;
  }

  void draw_row(size_t row, bool moved) {
    const CompareRow& of = grid_.rows[row];
    ImGui::PushTextWrapPos(0);
    ImGui::TextUnformatted((of.prompt + " · seed " + std::to_string(of.seed)).c_str());
    ImGui::PopTextWrapPos();
    const ImVec2 start = ImGui::GetCursorPos();
    float below = 0;
    for (size_t column = 0; column < grid_.columns.size(); ++column) {
      ImGui::SetCursorPos({start.x + static_cast<float>(column) * (width_ + gap_), start.y});
      ImGui::BeginGroup();
      draw_cell({row, column}, moved);
      ImGui::EndGroup();
      below = std::max(below, ImGui::GetItemRectSize().y);
    }
    ImGui::SetCursorPos({start.x, start.y + below + ImGui::GetFontSize()});
    ImGui::Dummy({0, 0});
  }

  void draw_cell(CellIndex cell, bool moved) {
    const ImVec2 corner = ImGui::GetCursorScreenPos();
    const ViewArea area = view_area(corner, {width_, height_});
    const std::string id = "##cell_" + std::to_string(cell.row) + "_" + std::to_string(cell.column);
    ImGui::InvisibleButton(id.c_str(), {width_, height_});
    const bool chosen = cell == pictures_.selected();
    if (ImGui::IsItemActivated()) pictures_.select(cell);
    if (ImGui::IsItemHovered() && ImGui::IsMouseDoubleClicked(ImGuiMouseButton_Left))
      pictures_.actions.add(CompareAction(ShowLarge{true}));
    if (chosen && moved) ImGui::SetScrollHereY(0.5F);
    draw_content(cell, area);
    if (chosen) {
      ImGui::GetWindowDrawList()->AddRect(corner, {corner.x + width_, corner.y + height_},
                                          ImGui::GetColorU32(ImGuiCol_NavCursor), 0, 2);
    }
    draw_caption(cell);
  }

  void draw_content(CellIndex cell, const ViewArea& area) {
    ImDrawList& list = *ImGui::GetWindowDrawList();
    const ImVec2 from = {area.left, area.top};
    const ImVec2 to = {area.left + area.width, area.top + area.height};
    list.AddRectFilled(from, to, ImGui::GetColorU32(ImGuiCol_TitleBg));
    const ShownPicture picture = pictures_.shown(cell, "grid");
    const ImageView& view = state_.compare.view;
    if (picture.image) {
      if (const auto next = moved_view(view, area, sides_of(picture)))
        pictures_.actions.add(CompareAction(SetView{*next}));
      if (ImGui::IsItemHovered()) pictures_.status = pixel_text(picture, area, view);
      draw_picture(picture, area, view, pictures_.widgets);
    }
    draw_progress(cell, area);
  }

  void draw_progress(CellIndex cell, const ViewArea& area) {
    const double share = cell_share(state_.compare, state_.jobs[JobId::kCompare], cell);
    if (share < 0) return;
    ImDrawList& list = *ImGui::GetWindowDrawList();
    const float height = 0.3F * ImGui::GetFontSize();
    const float bottom = area.top + area.height;
    list.AddRectFilled({area.left, bottom - height}, {area.left + area.width, bottom},
                       ImGui::GetColorU32(ImGuiCol_FrameBg));
    list.AddRectFilled({area.left, bottom - height},
                       {area.left + area.width * static_cast<float>(share), bottom},
                       ImGui::GetColorU32(ImGuiCol_PlotHistogram));
  }

  void draw_caption(CellIndex cell) {
    const DrawnPicture* picture = picture_at(state_.compare, grid_, cell);
    const bool favourite = picture && is_favourite(state_.project, place_of(grid_, cell), *picture);
    std::string caption = picture ? picture->caption : caption_of(grid_.columns[cell.column]);
    if (favourite) caption = "★ " + caption;
    const std::string details =
        picture ? picture->details : details_of(pictures_.request, grid_.rows[cell.row]);
    ImGui::PushTextWrapPos(ImGui::GetCursorPosX() + width_);
    ImGui::TextUnformatted(caption.c_str());
    ImGui::PushStyleColor(ImGuiCol_Text, ImGui::GetStyleColorVec4(ImGuiCol_TextDisabled));
    ImGui::TextUnformatted(details.c_str());
    ImGui::PopStyleColor();
    draw_state(cell, picture);
    ImGui::PopTextWrapPos();
  }

  void draw_state(CellIndex cell, const DrawnPicture* picture) {
    const double share = cell_share(state_.compare, state_.jobs[JobId::kCompare], cell);
    if (share >= 0) {
      ImGui::Text("drawing, %d %%", static_cast<int>(100 * share));
    } else if (!picture) {
      ImGui::TextUnformatted("not drawn yet");
    } else if (!is_fresh(state_.compare, grid_, cell)) {
      ImGui::PushStyleColor(ImGuiCol_Text, warning_text_color());
      ImGui::TextUnformatted("drawn with other settings");
      ImGui::PopStyleColor();
    }
  }

  ComparePictures& pictures_;
  const State& state_;
  const CompareGrid& grid_;
  float gap_ = 0;
  float width_ = 0;  // of a cell's picture
  float height_ = 0;
};

}  // namespace

void draw_compare_grid(ComparePictures& pictures) { GridDrawing(pictures).draw(); }

}  // namespace dorabooth
