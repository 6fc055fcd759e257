// What the Export window shows of a merge: what it would take, and what it did.
#pragma once

#include <optional>
#include <string>

#include "pipelines/merge.h"

namespace dorabooth {

struct ExportState {
  std::string planned;  // the request, as JSON, that `plan` is of, or is being made of
  bool planning = false;
  MergePlan plan;
  std::optional<MergeReport> report;  // of the last merge; layers in the order of the table
};

}  // namespace dorabooth
