// CPU twins of NF4: a block of 64 at a time; each byte gives two values by one look-up.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/cpu/vector.h"
#include "kernels/nf4_code.h"

namespace dorabooth::cpu {

namespace {

DORABOOTH_CLONES float largest_magnitude(const float* x) {
  float lanes[kLanes] = {};
  for (int64_t i = 0; i < kNf4Block; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      const float magnitude = std::fabs(x[i + lane]);
      lanes[lane] = magnitude > lanes[lane] ? magnitude : lanes[lane];
    }
  }
  return *std::max_element(lanes, lanes + kLanes);
}

DORABOOTH_CLONES void find_indices(const float* x, float absmax, uint32_t* indices) {
  for (int64_t i = 0; i < kNf4Block; ++i) indices[i] = nf4_index(x[i] / absmax);
}

// `x` is a whole block; what lies behind the data's end is zero.
float quantize_block(const float* x, uint8_t* packed, int64_t bytes) {
  const float absmax = largest_magnitude(x);
  uint32_t indices[kNf4Block];
  find_indices(x, absmax > 0.0f ? absmax : 1.0f, indices);
  for (int64_t i = 0; i < bytes; ++i) {
    packed[i] = static_cast<uint8_t>(indices[2 * i] << 4 | indices[2 * i + 1]);
  }
  return absmax;
}

struct BytePairs {
  float at[256][2];
};

constexpr BytePairs byte_pairs() {
  BytePairs pairs = {};
  for (int byte = 0; byte < 256; ++byte) {
    pairs.at[byte][0] = nf4_values().at[byte / kNf4Values];
    pairs.at[byte][1] = nf4_values().at[byte % kNf4Values];
  }
  return pairs;
}

constexpr BytePairs kPairs = byte_pairs();

// 2·bytes values.
DORABOOTH_CLONES void unpack(const uint8_t* packed, int64_t bytes, float absmax, float* out) {
  for (int64_t i = 0; i < bytes; ++i) std::memcpy(out + 2 * i, kPairs.at[packed[i]], 8);
  for (int64_t i = 0; i < 2 * bytes; ++i) out[i] *= absmax;
}

// Outside the clones, which would fuse the product with the sum where the processor can.
float absmax_of(const Nf4DequantizeArgs& args, int64_t block) {
  if (args.absmax != nullptr) return args.absmax[block];
  const float code = args.nested_code[args.absmax_index[block]];
  return code * args.nested_absmax[block / kNf4NestedBlock] + args.offset;
}

}  // namespace

void nf4_quantize(const Nf4QuantizeArgs& args) {
  const int64_t blocks = (args.count + kNf4Block - 1) / kNf4Block;
  parallel_for(args.on, blocks, 256, [&](int64_t first, int64_t last) {
    float x[kNf4Block];
    for (int64_t block = first; block < last; ++block) {
      const int64_t at = block * kNf4Block;
      const int64_t n = std::min(kNf4Block, args.count - at);
      std::fill(x + n, x + kNf4Block, 0.0f);
      copy(args.type, args.weight, at, n, x);
      args.absmax[block] = quantize_block(x, args.packed + at / 2, (n + 1) / 2);
    }
  });
}

void nf4_dequantize(const Nf4DequantizeArgs& args) {
  const int64_t end = args.first + args.count;
  const int64_t first_block = args.first / kNf4Block;
  const int64_t blocks = (end + kNf4Block - 1) / kNf4Block - first_block;
  parallel_for(args.on, args.count == 0 ? 0 : blocks, 256, [&](int64_t first, int64_t last) {
    float values[kNf4Block];
    for (int64_t block = first_block + first; block < first_block + last; ++block) {
      const int64_t at = block * kNf4Block;
      const int64_t from = std::max(at, args.first);
      const int64_t n = std::min(at + kNf4Block, end) - from;
      const int64_t skipped = (from - at) / 2 * 2;
      unpack(args.packed + (at + skipped) / 2, (from - at - skipped + n + 1) / 2,
             absmax_of(args, block), values);
      store(args.type, values + (from - at - skipped), args.values, from - args.first, n);
    }
  });
}

}  // namespace dorabooth::cpu
