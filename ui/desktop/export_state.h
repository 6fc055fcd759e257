// What the Export window shows of a merge.
#pragma once

#include <string>

namespace dorabooth {

struct ExportState {
  std::string receipt;  // of the last merge, "" before it
};

}  // namespace dorabooth
