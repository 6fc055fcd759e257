// Actions of the Compare window.
#pragma once

#include <cstddef>
#include <string>
#include <variant>
#include <vector>

#include "pipelines/drawn_cells.h"
#include "pipelines/sample.h"
#include "ui/desktop/compare_state.h"

namespace dorabooth {

// --- drawing ---
struct StartCompare {};
// Also what was drawn with the same settings.
struct DrawAllAgain {};
// Pictures of an earlier session, looked for once when the window is first seen.
struct LookForDrawn {};
struct DrawnFound {
  CompareRequest request;
  std::vector<DrawnCell> cells;
};
struct StopCompare {};
struct SetLive {
  bool on = false;
};
// No strength changed for a moment.
struct ResampleDue {};
// Nothing was drawn for a while.
struct BaseUnused {};

// --- columns, numbered as in the request: 0 is the first after the base ---
struct SetColumnStrength {
  size_t column = 0;
  double strength = 1.0;
};
struct RenameColumn {
  size_t column = 0;
  std::string name;
};
struct RemoveColumn {
  size_t column = 0;
};
struct AddColumn {
  std::string path;
};
struct SetSweep {
  std::string strengths;  // "0, 0.5, 1"
};
// The column at each of the strengths instead.
struct SweepColumn {
  size_t column = 0;
};
// All columns of a run's checkpoints instead of those that are there.
struct CheckpointsFound {
  std::vector<std::string> columns;
};

// --- looking ---
// The keys go to the pictures.
struct ShowPictures {};
struct SelectCell {
  CellIndex cell;
};
struct ShowLarge {
  bool on = false;
};
struct SetLargeMode {
  LargeMode mode = LargeMode::kSplit;
};
struct SetOtherColumn {
  size_t column = 0;
};
struct SetSplit {
  double share = 0.5;
};
struct SetGain {
  double gain = 1.0;
};
struct SetView {
  ImageView view;
};

// --- pictures ---
struct ToggleFavourite {
  CellIndex cell;
};
struct ForgetFavourite {
  std::string path;
};
// Reads the settings of a picture of ours.
struct TakePicture {
  std::string path;
};
struct PictureTaken {
  SampleRequest request;
  bool base_found = true;
};
struct ComparisonSaved {
  std::string path;
};

using CompareAction =
    std::variant<StartCompare, DrawAllAgain, LookForDrawn, DrawnFound, StopCompare, SetLive,
                 ResampleDue, BaseUnused, SetColumnStrength, RenameColumn, RemoveColumn, AddColumn,
                 SetSweep, SweepColumn, CheckpointsFound, ShowPictures, SelectCell, ShowLarge,
                 SetLargeMode, SetOtherColumn, SetSplit, SetGain, SetView, ToggleFavourite,
                 ForgetFavourite, TakePicture, PictureTaken, ComparisonSaved>;

}  // namespace dorabooth
