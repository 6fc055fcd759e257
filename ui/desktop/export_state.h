// What the Export window shows of a merge: what it would take, and what it did. The conversion's
// part is in convert_state.h.
#pragma once

#include <optional>
#include <string>

#include "pipelines/merge.h"

namespace dorabooth {

enum class ExportTab { kMerge, kConvert };

struct ExportState {
  std::string planned;  // the request, as JSON, that `plan` is of, or is being made of
  bool planning = false;
  MergePlan plan;
  std::optional<ExportTab> to_tab;    // to be brought to the front by the next frame
  std::optional<MergeReport> report;  // of the last merge; layers in the order of the table
};

}  // namespace dorabooth
