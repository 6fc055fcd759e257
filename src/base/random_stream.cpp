// Keys by splitmix64's finaliser over seed and name; normals by Box and Muller in double precision.
#include "src/base/random_stream.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "kernels/philox.h"

namespace dorabooth {

namespace {

// splitmix64's finaliser: every input bit reaches every output bit.
uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

// Words of block `block` (4 words a block) of draw (step, index).
PhiloxWords words(uint64_t key, uint64_t step, uint32_t index, uint32_t block) {
  return philox4x32_10(key, (static_cast<uint64_t>(index) << 32) | block, step);
}

}  // namespace

RandomStream::RandomStream(uint64_t seed, std::string_view stream)
    : key_(mix(seed + 0x9e3779b97f4a7c15ull)) {
  for (const char c : stream)
    key_ = mix(key_ + 0x9e3779b97f4a7c15ull + static_cast<unsigned char>(c));
}

void RandomStream::normal(uint64_t step, uint32_t index, std::span<float> out) const {
  for (size_t i = 0; i < out.size(); i += 4) {
    const PhiloxWords w = words(key_, step, index, static_cast<uint32_t>(i / 4));
    for (size_t pair = 0; pair < 2 && i + 2 * pair < out.size(); ++pair) {
      // (word + 0.5) / 2^32 lies strictly inside (0, 1), so the logarithm is finite.
      const double u1 = (w.word[2 * pair] + 0.5) * 0x1p-32;
      const double u2 = (w.word[2 * pair + 1] + 0.5) * 0x1p-32;
      const double radius = std::sqrt(-2.0 * std::log(u1));
      const double angle = 2.0 * std::numbers::pi * u2;
      out[i + 2 * pair] = static_cast<float>(radius * std::cos(angle));
      if (i + 2 * pair + 1 < out.size()) {
        out[i + 2 * pair + 1] = static_cast<float>(radius * std::sin(angle));
      }
    }
  }
}

void RandomStream::uniform(uint64_t step, uint32_t index, std::span<float> out) const {
  for (size_t i = 0; i < out.size(); i += 4) {
    const PhiloxWords w = words(key_, step, index, static_cast<uint32_t>(i / 4));
    const size_t count = std::min<size_t>(4, out.size() - i);
    for (size_t j = 0; j < count; ++j) out[i + j] = philox_uniform(w.word[j]);
  }
}

uint32_t RandomStream::integer(uint64_t step, uint32_t index, uint32_t bound) const {
  const PhiloxWords w = words(key_, step, index, 0);
  const uint64_t wide = (static_cast<uint64_t>(w.word[0]) << 32) | w.word[1];
  return static_cast<uint32_t>((static_cast<unsigned __int128>(wide) * bound) >> 64);
}

std::vector<int64_t> RandomStream::permutation(uint64_t step, uint32_t index, int64_t n) const {
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  for (int64_t i = n - 1; i > 0; --i) {
    const PhiloxWords w = words(key_, step, index, static_cast<uint32_t>(i));
    const uint64_t wide = (static_cast<uint64_t>(w.word[0]) << 32) | w.word[1];
    const auto j = static_cast<int64_t>(
        (static_cast<unsigned __int128>(wide) * static_cast<uint64_t>(i + 1)) >> 64);
    std::swap(order[static_cast<size_t>(i)], order[static_cast<size_t>(j)]);
  }
  return order;
}

}  // namespace dorabooth
