// What the Compare window shows beside the request: the pictures drawn so far, what is being drawn,
// and how they are looked at.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "pipelines/compare.h"
#include "src/base/image.h"
#include "ui/desktop/image_view.h"

namespace dorabooth {

// A cell by what it shows and not by its number: rows and columns may come and go around it.
struct CellPlace {
  std::string prompt;
  int64_t seed = 0;
  std::string column;
  auto operator<=>(const CellPlace&) const = default;
};

struct CellIndex {
  size_t row = 0;
  size_t column = 0;
  bool operator==(const CellIndex&) const = default;
};

struct DrawnPicture {
  std::shared_ptr<const Image> image;
  std::string path;
  std::string key;      // of what it was drawn with: see cell_key()
  std::string caption;  // "DoRA · strength 0.5"
  std::string details;  // "seed 0 · 25 steps · guidance 5"
};

// The work of the running job.
struct CompareRun {
  CompareRequest request;
  std::set<std::pair<size_t, size_t>> kept;  // cells that came before the job started to draw
  std::vector<CellIndex> queue;              // cells to draw, in order
  int64_t steps_per_cell = 0;
};

enum class LargeMode { kSplit, kFlip, kDifference, kSideBySide };

struct CompareState {
  std::map<CellPlace, DrawnPicture> pictures;
  bool looked = false;  // for pictures of an earlier session
  CompareRun run;
  bool start_again = false;              // all of it, once the running job has stopped
  bool due = false;                      // no strength changed for a moment
  std::set<std::string> changed;         // columns that wait to be drawn again
  bool live = true;                      // a strength that changes draws its column again
  std::string sweep = "0, 0.5, 1, 1.5";  // strengths, as typed

  std::string saved;  // the last exported file

  bool to_pictures = false;  // the keys go to the pictures from the next frame on
  CellIndex selected;
  size_t other = 0;  // the column that the large view compares with
  bool large = false;
  LargeMode mode = LargeMode::kSplit;
  double split = 0.5;
  double gain = 4;
  ImageView view;
};

}  // namespace dorabooth
