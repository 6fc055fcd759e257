// Actions of the Export window's conversion.
#pragma once

#include <variant>

#include "pipelines/convert.h"

namespace dorabooth {

struct StartConvert {};
struct StopConvert {};
struct ConvertDone {
  ConvertReport report;
};

using ConvertAction = std::variant<StartConvert, StopConvert, ConvertDone>;

}  // namespace dorabooth
