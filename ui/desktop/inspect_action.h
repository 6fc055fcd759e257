// Actions of the Inspect window.
#pragma once

#include <string>
#include <variant>

#include "pipelines/inspect.h"

namespace dorabooth {

struct InspectFile {
  std::string path;
};
struct FileInspected {
  std::string path;
  InspectReport report;
};

using InspectAction = std::variant<InspectFile, FileInspected>;

}  // namespace dorabooth
