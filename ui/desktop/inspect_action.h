// Actions of the Inspect window.
#pragma once

#include <string>
#include <variant>

#include "pipelines/inspect.h"

namespace dorabooth {

struct InspectFile {
  std::string path;
};
struct StopInspect {};
struct FileInspected {
  InspectRequest request;
  InspectReport report;
};

using InspectAction = std::variant<InspectFile, StopInspect, FileInspected>;

}  // namespace dorabooth
