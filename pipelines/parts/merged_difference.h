// A block of a merged matrix as it is stored, beside the base and the unrounded merge: written and
// compared in one pass. Internal to pipelines/merge.
#pragma once

#include <cstdint>

#include "kernels/adapter_core.h"

namespace dorabooth {

// Inputs on which the stored matrix is tried out.
inline constexpr int64_t kProbeRows = 2;

// Matrices are [rows, columns].
struct MergedBlock {
  const void* base = nullptr;  // of `base_type`
  ElementType base_type = ElementType::kFloat32;
  const float* merged = nullptr;
  void* stored = nullptr;  // of `stored_type`: `merged` is written here, rounded to nearest even
  ElementType stored_type = ElementType::kFloat32;
  // True: `stored` is fp32 and holds already what the file will.
  bool is_stored = false;
  int64_t rows = 0;
  int64_t columns = 0;
  const float* probes = nullptr;   // [kProbeRows, columns]
  float* base_products = nullptr;  // of probe i and row j at [i * product_stride + j]
  float* stored_products = nullptr;
  int64_t product_stride = 0;
  float* base_norm2 = nullptr;  // ‖row‖² of the base at [row]
};

// What a merge did to a matrix.
struct MergedDifference {
  float change = 0.0f;    // max |merged − base|
  float rounding = 0.0f;  // max |stored − merged|
  float largest = 0.0f;   // max |merged|

  // Takes a block in; NaN counts for nothing.
  void add(const MergedBlock& block);
};

}  // namespace dorabooth
