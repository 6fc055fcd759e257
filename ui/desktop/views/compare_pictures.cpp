// What grid and large view share: selection, textures, keys.
#include "ui/desktop/views/compare_pictures.h"

#include <imgui.h>
#include <imgui_internal.h>

#include <algorithm>

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
  if (pressed(ImGuiKey_1)) actions.add(CompareAction(SetView{actual_size(compare.view)}));
  return !(cell == before);
}

}  // namespace dorabooth
