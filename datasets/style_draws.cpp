// Blocks of numbers are drawn at steps 0, 1, …; whole fields at steps far above them.
#include "datasets/style_draws.h"

#include <algorithm>

namespace dorabooth {

namespace {
constexpr uint64_t kUniformField = uint64_t{1} << 40;
constexpr uint64_t kNormalField = kUniformField + 1;
}  // namespace

StyleDraws::StyleDraws(uint64_t seed, std::string_view stream, uint32_t index)
    : stream_(seed, stream), index_(index), used_(kBlock) {}

float StyleDraws::unit() {
  if (used_ == kBlock) {
    stream_.uniform(block_++, index_, values_);
    used_ = 0;
  }
  return values_[used_++];
}

float StyleDraws::between(float low, float high) { return low + (high - low) * unit(); }

int StyleDraws::integer(int bound) {
  return std::min(bound - 1, static_cast<int>(unit() * static_cast<float>(bound)));
}

bool StyleDraws::chance(float probability) { return unit() < probability; }

void StyleDraws::fill_uniform(std::span<float> out) const {
  stream_.uniform(kUniformField, index_, out);
}

void StyleDraws::fill_normal(std::span<float> out) const {
  stream_.normal(kNormalField, index_, out);
}

}  // namespace dorabooth
