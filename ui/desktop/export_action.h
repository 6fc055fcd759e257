// Actions of the Export window.
#pragma once

#include <variant>

#include "pipelines/merge.h"

namespace dorabooth {

// Asks what the request as it stands would take; the window does so after every change.
struct CheckMerge {};
struct MergePlanned {
  MergePlan plan;
};
struct StartMerge {};
struct StopMerge {};
struct MergeDone {
  MergeReport report;
};
enum class ReceiptColumn { kModule, kLargestChange, kRounding, kForwardError };
struct SortReceipt {
  ReceiptColumn column = ReceiptColumn::kModule;
  bool descending = false;
};

using ExportAction =
    std::variant<CheckMerge, MergePlanned, StartMerge, StopMerge, MergeDone, SortReceipt>;

}  // namespace dorabooth
