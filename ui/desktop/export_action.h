// Actions of the Export window.
#pragma once

#include <string>
#include <variant>

namespace dorabooth {

struct StartMerge {};
struct StopMerge {};
struct MergeDone {
  std::string receipt;
};

using ExportAction = std::variant<StartMerge, StopMerge, MergeDone>;

}  // namespace dorabooth
