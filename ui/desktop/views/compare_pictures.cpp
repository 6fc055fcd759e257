// What grid and large view share: selection, textures, keys.
#include "ui/desktop/views/compare_pictures.h"

#include <imgui.h>
#include <imgui_internal.h>

#include <algorithm>
#include <optional>

namespace dorabooth {

namespace {

// The keys belong to the pictures a frame ahead: ImGui's navigation looks at them before any window
// is drawn, and would leave the window at Escape.
bool pressed(ImGuiKeyChord chord, ImGuiInputFlags repeat = 0) {
  const ImGuiID owner = ImGui::GetID("keys");
  // Not from a text that is being typed.
  if (ImGui::IsWindowFocused() && !ImGui::IsAnyItemActive())
    ImGui::SetKeyOwner(static_cast<ImGuiKey>(chord & ~ImGuiMod_Mask_), owner);
  return ImGui::Shortcut(chord, ImGuiInputFlags_RouteFocused | repeat, owner);
}

CellIndex next_cell(const ComparePictures& pictures, CellIndex cell, bool forward) {
  const size_t columns = pictures.grid.columns.size();
  const size_t cells = columns * pictures.grid.rows.size();
  const size_t number = (cell.row * columns + cell.column + (forward ? 1 : cells - 1)) % cells;
  return {number / columns, number % columns};
}

CellIndex cell_by_arrow(const ComparePictures& pictures, CellIndex cell) {
  if (pressed(ImGuiKey_LeftArrow, ImGuiInputFlags_Repeat) && cell.column > 0) --cell.column;
  if (pressed(ImGuiKey_UpArrow, ImGuiInputFlags_Repeat) && cell.row > 0) --cell.row;
  if (pressed(ImGuiKey_RightArrow, ImGuiInputFlags_Repeat))
    cell.column = std::min(cell.column + 1, pictures.grid.columns.size() - 1);
  if (pressed(ImGuiKey_DownArrow, ImGuiInputFlags_Repeat))
    cell.row = std::min(cell.row + 1, pictures.grid.rows.size() - 1);
  return cell;
}

// Plus and minus zoom about the middle, Shift and the arrows move.
std::optional<ImageView> view_by_key(const ImageView& view) {
  constexpr double kZoom = 1.25;
  constexpr double kMove = 0.05;  // of the picture
  ImageView next = view;
  const double zoom = view.zoom > 0 ? view.zoom : 1;
  const bool in = pressed(ImGuiKey_Equal, ImGuiInputFlags_Repeat) ||
                  pressed(ImGuiMod_Shift | ImGuiKey_Equal, ImGuiInputFlags_Repeat) ||
                  pressed(ImGuiKey_KeypadAdd, ImGuiInputFlags_Repeat);
  const bool out = pressed(ImGuiKey_Minus, ImGuiInputFlags_Repeat) ||
                   pressed(ImGuiKey_KeypadSubtract, ImGuiInputFlags_Repeat);
  if (in) next.zoom = std::min(64.0, zoom * kZoom);
  if (out) next.zoom = view.zoom > 0.1 ? zoom / kZoom : 0;  // as large as fits
  const auto moved = [](ImGuiKey key) {
    return pressed(ImGuiMod_Shift | key, ImGuiInputFlags_Repeat);
  };
  if (moved(ImGuiKey_LeftArrow)) next.x = std::max(0.0, view.x - kMove);
  if (moved(ImGuiKey_RightArrow)) next.x = std::min(1.0, view.x + kMove);
  if (moved(ImGuiKey_UpArrow)) next.y = std::max(0.0, view.y - kMove);
  if (moved(ImGuiKey_DownArrow)) next.y = std::min(1.0, view.y + kMove);
  const bool same = next.zoom == view.zoom && next.x == view.x && next.y == view.y;
  return same ? std::nullopt : std::optional(next);
}

// Comma and period move the bar of a split and turn the gain of a difference; A takes the next
// column to compare with.
void take_large_keys(const ComparePictures& pictures) {
  const CompareState& compare = pictures.state.compare;
  const bool less = pressed(ImGuiKey_Comma, ImGuiInputFlags_Repeat);
  const bool more = pressed(ImGuiKey_Period, ImGuiInputFlags_Repeat);
  if ((less || more) && compare.mode == LargeMode::kDifference) {
    pictures.actions.add(CompareAction(SetGain{more ? 2 * compare.gain : compare.gain / 2}));
  } else if (less || more) {
    pictures.actions.add(CompareAction(SetSplit{compare.split + (more ? 0.05 : -0.05)}));
  }
  if (pressed(ImGuiKey_A))
    pictures.actions.add(
        CompareAction(SetOtherColumn{(compare.other + 1) % pictures.grid.columns.size()}));
}

LargeMode next_mode(LargeMode mode, bool forward) {
  const int next = (static_cast<int>(mode) + (forward ? 1 : 3)) % 4;
  return static_cast<LargeMode>(next);
}

}  // namespace

CellIndex ComparePictures::selected() const {
  return {std::min(state.compare.selected.row, grid.rows.size() - 1),
          std::min(state.compare.selected.column, grid.columns.size() - 1)};
}

ShownPicture ComparePictures::shown(CellIndex cell, const char* where) const {
  const DrawnPicture* picture = picture_at(state.compare, grid, cell);
  if (!picture) return {};
  return {std::string("compare/") + where + "/" + std::to_string(cell.row) + "/" +
              std::to_string(cell.column),
          picture->image};
}

void ComparePictures::select(CellIndex cell) {
  if (!(cell == state.compare.selected)) actions.add(CompareAction(SelectCell{cell}));
}

bool take_compare_keys(ComparePictures& pictures) {
  const CompareState& compare = pictures.state.compare;
  Actions& actions = pictures.actions;
  const CellIndex before = pictures.selected();
  CellIndex cell = cell_by_arrow(pictures, before);
  const bool tab = pressed(ImGuiKey_Tab, ImGuiInputFlags_Repeat);
  const bool back_tab = pressed(ImGuiMod_Shift | ImGuiKey_Tab, ImGuiInputFlags_Repeat);
  if (tab || back_tab) {
    if (compare.large) {
      actions.add(CompareAction(SetLargeMode{next_mode(compare.mode, tab)}));
    } else {
      cell = next_cell(pictures, cell, tab);
    }
  }
  pictures.select(cell);
  if (pressed(ImGuiKey_Enter) || pressed(ImGuiKey_KeypadEnter))
    actions.add(CompareAction(ShowLarge{true}));
  if (pressed(ImGuiKey_Escape)) actions.add(CompareAction(ShowLarge{false}));
  if (pressed(ImGuiKey_S)) actions.add(CompareAction(ToggleFavourite{cell}));
  if (pressed(ImGuiKey_F)) actions.add(CompareAction(SetView{ImageView()}));
  if (compare.large) take_large_keys(pictures);
  if (const auto view = view_by_key(compare.view)) actions.add(CompareAction(SetView{*view}));
  if (pressed(ImGuiKey_1)) actions.add(CompareAction(SetView{actual_size(compare.view)}));
  return !(cell == before);
}

}  // namespace dorabooth
