// What a merge did to a matrix: the largest change, the largest rounding, the largest value.
// Internal to pipelines/merge.
#pragma once

#include <cstdint>

namespace dorabooth {

struct MergedDifference {
  float change = 0.0f;    // max |merged − base|
  float rounding = 0.0f;  // max |stored − merged|
  float largest = 0.0f;   // max |merged|

  // Takes `count` numbers in; NaN counts for nothing.
  void add(const float* base, const float* merged, const float* stored, int64_t count);
};

}  // namespace dorabooth
