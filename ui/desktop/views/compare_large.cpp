// One cell large, against the cell of another column in its row.
#include <imgui.h>

#include <algorithm>
#include <cmath>

#include "ui/desktop/theme.h"
#include "ui/desktop/views/compare_pictures.h"

namespace dorabooth {

namespace {

struct ModeName {
  LargeMode mode;
  const char* name;
};

constexpr ModeName kModes[] = {{LargeMode::kSplit, "Split"},
                               {LargeMode::kFlip, "Flip"},
                               {LargeMode::kDifference, "Difference"},
                               {LargeMode::kSideBySide, "Side by side"}};

class LargeDrawing {
 public:
  explicit LargeDrawing(ComparePictures& pictures)
      : pictures_(pictures), compare_(pictures.state.compare), cell_(pictures.selected()) {
    other_ = {cell_.row, std::min(compare_.other, pictures.grid.columns.size() - 1)};
    picture_ = pictures.shown(cell_, "large");
    against_ = pictures.shown(other_, "other");
  }

  void draw() {
    take_compare_keys(pictures_);
    draw_controls();
    draw_captions();
    const ImVec2 room = ImGui::GetContentRegionAvail();
    if (!picture_.image || !against_.image) {
      ImGui::TextWrapped(
          "%s is not drawn yet: press Draw, or choose another cell.",
          pictures_.grid.columns[picture_.image ? other_.column : cell_.column].name.c_str());
    }
    if (room.x > 1 && room.y > 1) draw_mode(room);
  }

 private:
  void draw_controls() {
    if (ImGui::Button("Back")) pictures_.actions.add(CompareAction(ShowLarge{false}));
    ImGui::SetItemTooltip("Esc");
    for (const ModeName& mode : kModes) {
      ImGui::SameLine();
      if (ImGui::RadioButton(mode.name, compare_.mode == mode.mode))
        pictures_.actions.add(CompareAction(SetLargeMode{mode.mode}));
    }
    const float font = ImGui::GetFontSize();
    ImGui::AlignTextToFramePadding();
    ImGui::TextUnformatted("against");
    ImGui::SameLine();
    ImGui::SetNextItemWidth(10 * font);
    draw_other_choice();
    ImGui::SameLine();
    if (compare_.mode == LargeMode::kDifference) {
      auto gain = static_cast<float>(compare_.gain);
      ImGui::SetNextItemWidth(10 * font);
      if (ImGui::SliderFloat("##gain", &gain, 1, 64, "gain %.0f", ImGuiSliderFlags_Logarithmic))
        pictures_.actions.add(CompareAction(SetGain{std::round(static_cast<double>(gain))}));
    } else {
      ImGui::AlignTextToFramePadding();
      ImGui::TextDisabled("hold Space: the other one");
    }
  }

  void draw_other_choice() {
    const auto& columns = pictures_.grid.columns;
    if (!ImGui::BeginCombo("##other", columns[other_.column].name.c_str())) return;
    for (size_t i = 0; i < columns.size(); ++i) {
      if (ImGui::Selectable(columns[i].name.c_str(), i == other_.column))
        pictures_.actions.add(CompareAction(SetOtherColumn{i}));
    }
    ImGui::EndCombo();
  }

  std::string caption(CellIndex cell) const {
    const DrawnPicture* picture = picture_at(compare_, pictures_.grid, cell);
    std::string text = caption_of(pictures_.grid.columns[cell.column]);
    if (!picture) return text;
    text = picture->caption;
    if (is_favourite(pictures_.state.project, place_of(pictures_.grid, cell), *picture))
      text = "★ " + text;
    if (!is_fresh(compare_, pictures_.grid, cell)) text += " (drawn with other settings)";
    return text;
  }

  void draw_captions() {
    const CompareRow& row = pictures_.grid.rows[cell_.row];
    ImGui::TextWrapped("%s · %s", row.prompt.c_str(), details_of(pictures_.request, row).c_str());
    const bool flipped = is_flipped();
    std::string text = caption(flipped ? other_ : cell_);
    const bool two = compare_.mode != LargeMode::kFlip && !flipped;
    if (two && compare_.mode == LargeMode::kDifference) {
      text = "|" + text + " - " + caption(other_) + "|";
    } else if (two) {
      text = caption(other_) + "  |  " + text;
    }
    ImGui::PushStyleColor(ImGuiCol_Text, accent_text_color());
    ImGui::TextWrapped("%s", text.c_str());
    ImGui::PopStyleColor();
  }

  static bool is_flipped() {
    return ImGui::IsWindowFocused(ImGuiFocusedFlags_RootWindow | ImGuiFocusedFlags_ChildWindows) &&
           !ImGui::GetIO().WantTextInput && ImGui::IsKeyDown(ImGuiKey_Space);
  }

  void draw_mode(ImVec2 room) {
    const ImVec2 corner = ImGui::GetCursorScreenPos();
    const ViewArea whole = view_area(corner, room);
    if (is_flipped()) {
      draw_one(against_, whole, "##canvas");
    } else if (compare_.mode == LargeMode::kSplit) {
      draw_split(whole);
    } else if (compare_.mode == LargeMode::kDifference) {
      draw_difference(whole);
    } else if (compare_.mode == LargeMode::kSideBySide) {
      const float gap = ImGui::GetStyle().ItemSpacing.x;
      const float half = 0.5F * (room.x - gap);
      draw_one(against_, view_area(corner, {half, room.y}), "##canvas_other");
      draw_one(picture_, view_area({corner.x + half + gap, corner.y}, {half, room.y}), "##canvas");
    } else {
      draw_one(picture_, whole, "##canvas");
    }
  }

  // The item that takes wheel and drag.
  void draw_canvas(const ShownPicture& picture, const ViewArea& area, const char* id) {
    ImGui::SetCursorScreenPos({area.left, area.top});
    ImGui::SetNextItemAllowOverlap();
    ImGui::InvisibleButton(id, {area.width, area.height});
    ImGui::GetWindowDrawList()->AddRectFilled({area.left, area.top},
                                              {area.left + area.width, area.top + area.height},
                                              ImGui::GetColorU32(ImGuiCol_TitleBg));
    if (!picture.image) return;
    if (const auto next = moved_view(compare_.view, area, sides_of(picture)))
      pictures_.actions.add(CompareAction(SetView{*next}));
    if (ImGui::IsItemHovered()) pictures_.status = hovered_text(area);
  }

  std::string hovered_text(const ViewArea& area) const {
    const std::string here = pixel_text(picture_, area, compare_.view);
    const std::string there = pixel_text(against_, area, compare_.view);
    const size_t colon = there.find(": ");
    if (here.empty() || colon == std::string::npos) return here;
    return here + "  |  " + pictures_.grid.columns[other_.column].name + there.substr(colon);
  }

  void draw_one(const ShownPicture& picture, const ViewArea& area, const char* id) {
    draw_canvas(picture, area, id);
    draw_picture(picture, area, compare_.view, pictures_.widgets);
  }

  void draw_split(const ViewArea& area) {
    draw_canvas(picture_.image ? picture_ : against_, area, "##canvas");
    const float bar = area.left + static_cast<float>(compare_.split) * area.width;
    draw_picture(against_, area, compare_.view, pictures_.widgets, {.right = bar});
    draw_picture(picture_, area, compare_.view, pictures_.widgets, {.left = bar});
    const float grip = 0.6F * ImGui::GetFontSize();
    ImGui::SetCursorScreenPos({bar - grip, area.top});
    ImGui::InvisibleButton("##split", {2 * grip, area.height});
    const bool held = ImGui::IsItemActive();
    if (held || ImGui::IsItemHovered()) ImGui::SetMouseCursor(ImGuiMouseCursor_ResizeEW);
    if (held && ImGui::IsMouseDragging(ImGuiMouseButton_Left, 0)) {
      const float share = (ImGui::GetIO().MousePos.x - area.left) / area.width;
      pictures_.actions.add(CompareAction(SetSplit{static_cast<double>(share)}));
    }
    const ImU32 color = ImGui::GetColorU32(held ? ImGuiCol_SliderGrabActive : ImGuiCol_SliderGrab);
    ImGui::GetWindowDrawList()->AddLine({bar, area.top}, {bar, area.top + area.height}, color,
                                        0.15F * ImGui::GetFontSize());
  }

  void draw_difference(const ViewArea& area) {
    ShownPicture difference;
    if (picture_.image && against_.image) {
      difference = {"compare/difference", pictures_.widgets.derived.difference(
                                              picture_.image, against_.image, compare_.gain)};
    }
    draw_canvas(picture_, area, "##canvas");
    if (!difference.image) return;
    if (!difference.image->empty())
      return draw_picture(difference, area, compare_.view, pictures_.widgets);
    ImGui::SetCursorScreenPos({area.left, area.top});
    ImGui::TextUnformatted("The pictures differ in size.");
  }

  ComparePictures& pictures_;
  const CompareState& compare_;
  CellIndex cell_;
  CellIndex other_;
  ShownPicture picture_;
  ShownPicture against_;
};

}  // namespace

void draw_compare_large(ComparePictures& pictures) { LargeDrawing(pictures).draw(); }

}  // namespace dorabooth
