// e4m3's exponent and mantissa lie in a float as they are, 120 steps of the exponent lower; its
// eight subnormals are their mantissas · 2^-9.
#include "kernels/cpu/scaled_rows.h"

#include <algorithm>
#include <bit>

#include "kernels/cpu/vector.h"

namespace dorabooth::cpu {

namespace {

DORABOOTH_CLONES void from_int8(const uint8_t* codes, int64_t n, float scale, float* out) {
  for (int64_t i = 0; i < n; ++i)
    out[i] = static_cast<float>(static_cast<int8_t>(codes[i])) * scale;
}

DORABOOTH_CLONES void from_e4m3(const uint8_t* codes, int64_t n, float scale, float* out) {
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t magnitude = codes[i] & 0x7fU;
    const uint32_t sign = (codes[i] & 0x80U) << 24;
    const uint32_t normal = (magnitude << 20) + (120U << 23);
    const auto subnormal = std::bit_cast<uint32_t>(static_cast<float>(magnitude) * 0x1p-9F);
    out[i] = std::bit_cast<float>((magnitude < 8 ? subnormal : normal) | sign) * scale;
  }
}

}  // namespace

void scaled_rows(const ScaledRowsArgs& args) {
  const auto convert_row = args.is_e4m3 ? from_e4m3 : from_int8;
  parallel_for(args.on, args.rows, rows_of_work(args.columns), [&](int64_t begin, int64_t end) {
    float values[kChunk];
    for (int64_t row = begin; row < end; ++row) {
      const int64_t at = row * args.columns;
      for (int64_t first = 0; first < args.columns; first += kChunk) {
        const int64_t n = std::min(kChunk, args.columns - first);
        convert_row(args.codes + at + first, n, args.scale[row], values);
        store(args.type, values, args.values, at + first, n);
      }
    }
  });
}

}  // namespace dorabooth::cpu
