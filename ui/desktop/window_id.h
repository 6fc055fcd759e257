// The windows by name; the name is also the title, and what tests address.
#pragma once

#include <array>
#include <cstddef>

namespace dorabooth {

enum class WindowId { kStart, kDataset, kTrain, kCompare, kExport, kAnalyze, kInspect, kLog };
constexpr size_t kWindowCount = 8;

constexpr std::array<WindowId, kWindowCount> kWindows = {
    WindowId::kStart,  WindowId::kDataset, WindowId::kTrain,   WindowId::kCompare,
    WindowId::kExport, WindowId::kAnalyze, WindowId::kInspect, WindowId::kLog};

constexpr const char* window_title(WindowId id) {
  constexpr const char* kTitles[kWindowCount] = {"Start",  "Dataset", "Train",   "Compare",
                                                 "Export", "Analyze", "Inspect", "Log"};
  return kTitles[static_cast<size_t>(id)];
}

constexpr std::array<bool, kWindowCount> all_windows_open() {
  std::array<bool, kWindowCount> open{};
  for (bool& one : open) one = true;
  return open;
}

}  // namespace dorabooth
