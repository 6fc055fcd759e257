// The grid that the project's settings ask for, and which of its cells are drawn.
#pragma once

#include "pipelines/compare_grid.h"
#include "pipelines/comparison_sheet.h"
#include "ui/desktop/state.h"

namespace dorabooth {

// The project's request as the window draws it: prompts without blank lines, columns one by one.
CompareRequest drawn_request(const Project& project);

struct CompareGrid {
  std::vector<CompareRow> rows;
  std::vector<CompareColumn> columns;  // the base first
  std::string settings;                // all else that decides what a picture looks like
  std::string problem;                 // why nothing can be drawn; ""
};

CompareGrid compare_grid(const CompareRequest& request);

CellPlace place_of(const CompareGrid& grid, CellIndex cell);
// Equal for equal pictures of one place.
std::string cell_key(const CompareGrid& grid, size_t column);
// Drawn with these or with earlier settings; nullptr: not drawn.
const DrawnPicture* picture_at(const CompareState& state, const CompareGrid& grid, CellIndex cell);
bool is_fresh(const CompareState& state, const CompareGrid& grid, CellIndex cell);

// "DoRA · strength 0.5" and "seed 0 · 25 steps · guidance 5".
std::string caption_of(const CompareColumn& column);
std::string details_of(const CompareRequest& request, const CompareRow& row);

// How far the cell is that the running job draws; negative for another cell.
double cell_share(const CompareState& state, const JobState& job, CellIndex cell);

// Where the picture is kept as a favourite: a name for each place and key.
std::string favourite_path(const Project& project, const CellPlace& place,
                           const DrawnPicture& picture);
bool is_favourite(const Project& project, const CellPlace& place, const DrawnPicture& picture);

// What export writes: the drawn pictures.
ComparisonSheet comparison_sheet(const State& state);

}  // namespace dorabooth
