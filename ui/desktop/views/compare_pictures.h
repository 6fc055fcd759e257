// The right side of the Compare window: the grid of pictures, or one of them large.
#pragma once

#include "ui/desktop/action.h"
#include "ui/desktop/compare_cells.h"
#include "ui/desktop/widgets/picture.h"

namespace dorabooth {

// One frame of it. `grid` has rows.
struct ComparePictures {
  const State& state;
  const CompareGrid& grid;
  const CompareRequest& request;
  Actions& actions;
  Widgets& widgets;
  std::string status;  // of the pixel under the cursor

  // The selection within the grid.
  CellIndex selected() const;
  ShownPicture shown(CellIndex cell, const char* where) const;
  void select(CellIndex cell);
};

// Item names: "##cell_ROW_COLUMN".
void draw_compare_grid(ComparePictures& pictures);
// Item names: "Split", "Flip", "Difference", "Side by side", "##other", "##gain", "Back",
// "##canvas",
// "##canvas_other", "##split".
void draw_compare_large(ComparePictures& pictures);
// Keys of both; true if the selection moved and must be scrolled to. Within the pictures' window.
bool take_compare_keys(ComparePictures& pictures);

}  // namespace dorabooth
