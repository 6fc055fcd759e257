// CPU twin of the dropout mask: Philox draws as RandomStream::uniform() makes them.
#include <algorithm>

#include "kernels/cpu/vector.h"
#include "kernels/element.h"
#include "kernels/philox.h"

namespace dorabooth::cpu {

namespace {

// Elements [4·block, 4·block + n) of the draw with n ≤ kChunk a multiple of 4, or the mask's end.
DORABOOTH_CLONES void fill(const DropoutMaskArgs& args, int64_t block, int64_t n, float* out) {
  const float keep = 1.0f / (1.0f - args.probability);
  const uint64_t high = static_cast<uint64_t>(args.index) << 32;
  for (int64_t i = 0; i < n; i += 4) {
    const auto counter = static_cast<uint32_t>(block + i / 4);
    const PhiloxWords words = philox4x32_10(args.key, high | counter, args.step);
    for (int64_t k = 0; k < 4; ++k) {
      out[i + k] = philox_uniform(words.word[k]) < args.probability ? 0.0f : keep;
    }
  }
}

}  // namespace

void dropout_mask(const DropoutMaskArgs& args) {
  const int64_t chunks = (args.count + kChunk - 1) / kChunk;
  parallel_for(args.on, chunks, 16, [&](int64_t first, int64_t last) {
    float buffer[kChunk];
    for (int64_t chunk = first; chunk < last; ++chunk) {
      const int64_t at = chunk * kChunk;
      const int64_t n = std::min(kChunk, args.count - at);
      fill(args, (args.first + at) / 4, n, buffer);
      store(args.type, buffer, args.mask, at, n);
    }
  });
}

}  // namespace dorabooth::cpu
