// Rows of one byte a number with a scale for each (src/quant/scaled_rows.h) as numbers again. On
// the CPU alone: LibTorch converts e4m3 one number at a time there.
#pragma once

#include <cstdint>

#include "kernels/adapter_core.h"

namespace dorabooth::cpu {

struct ScaledRowsArgs {
  Execution on;
  const uint8_t* codes = nullptr;  // [rows, columns], int8 or float8_e4m3fn
  bool is_e4m3 = false;            // without NaN
  const float* scale = nullptr;    // [rows]
  int64_t rows = 0;
  int64_t columns = 0;
  void* values = nullptr;  // [rows, columns] of `type`: code · scale in fp32, rounded once
  ElementType type = ElementType::kFloat32;
};
void scaled_rows(const ScaledRowsArgs& args);

}  // namespace dorabooth::cpu
