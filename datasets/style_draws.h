// Random choices one after the other, all of them a pure function of (seed, stream, index).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "src/base/random_stream.h"

namespace dorabooth {

class StyleDraws {
 public:
  StyleDraws(uint64_t seed, std::string_view stream, uint32_t index);

  float unit();  // [0, 1)
  float between(float low, float high);
  int integer(int bound);  // 0 .. bound-1
  bool chance(float probability);
  // Of many numbers at once (the grain of a paper); the same for every call.
  void fill_uniform(std::span<float> out) const;
  void fill_normal(std::span<float> out) const;

 private:
  RandomStream stream_;
  uint32_t index_;
  uint64_t block_ = 0;
  static constexpr size_t kBlock = 16;
  size_t used_;
  std::array<float, kBlock> values_{};
};

}  // namespace dorabooth
