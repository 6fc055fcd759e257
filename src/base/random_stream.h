// Training's random numbers: each draw is a pure function of (seed, stream, step, index, element),
// so a resumed run repeats them exactly and a twin run gives every adapter the same ones.
// Philox4x32-10: key = 64-bit hash of (seed, stream name); counter = (element block | index, step).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace dorabooth {

class RandomStream {
 public:
  // `stream` names the use: "noise", "timestep", "order", "crop", "dropout", "init/<module>", …
  RandomStream(uint64_t seed, std::string_view stream);

  uint64_t key() const { return key_; }

  // Standard normal values (Box–Muller in double precision, rounded to float).
  void normal(uint64_t step, uint32_t index, std::span<float> out) const;
  // Uniform in [0, 1) with 24 bits.
  void uniform(uint64_t step, uint32_t index, std::span<float> out) const;
  // One uniform integer in [0, bound), unbiased to 2^-32; bound > 0.
  uint32_t integer(uint64_t step, uint32_t index, uint32_t bound) const;
  // A permutation of 0..n-1 (Fisher–Yates).
  std::vector<int64_t> permutation(uint64_t step, uint32_t index, int64_t n) const;

 private:
  uint64_t key_;
};

}  // namespace dorabooth
