// Three maxima in one pass, in vectors: a merge of a large base would spend a third of its time on
// them one by one.
#include "pipelines/parts/merged_difference.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/vector.h"

namespace dorabooth {

namespace {

using cpu::Floats;
using cpu::kLanes;

const Floats& loaded(const float* at) { return *reinterpret_cast<const Floats*>(at); }

float largest_lane(const Floats& x) {
  float largest = 0.0f;
  for (int64_t lane = 0; lane < kLanes; ++lane) largest = std::max(largest, x[lane]);
  return largest;
}

DORABOOTH_CLONES void add_maxima(const float* base, const float* merged, const float* stored,
                                 int64_t count, float* maxima) {
  Floats change = {};
  Floats rounding = {};
  Floats value = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const Floats m = loaded(merged + i);
    // |x| is the larger of x and −x.
    Floats x = m - loaded(base + i);
    x = x > -x ? x : -x;
    change = x > change ? x : change;
    x = loaded(stored + i) - m;
    x = x > -x ? x : -x;
    rounding = x > rounding ? x : rounding;
    x = m > -m ? m : -m;
    value = x > value ? x : value;
  }
  maxima[0] = std::max(maxima[0], largest_lane(change));
  maxima[1] = std::max(maxima[1], largest_lane(rounding));
  maxima[2] = std::max(maxima[2], largest_lane(value));
  for (; i < count; ++i) {
    maxima[0] = std::max(maxima[0], std::fabs(merged[i] - base[i]));
    maxima[1] = std::max(maxima[1], std::fabs(stored[i] - merged[i]));
    maxima[2] = std::max(maxima[2], std::fabs(merged[i]));
  }
}

}  // namespace

void MergedDifference::add(const float* base, const float* merged, const float* stored,
                           int64_t count) {
  float maxima[3] = {change, rounding, largest};
  add_maxima(base, merged, stored, count, maxima);
  change = maxima[0];
  rounding = maxima[1];
  largest = maxima[2];
}

}  // namespace dorabooth
