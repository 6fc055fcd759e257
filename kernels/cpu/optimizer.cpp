// CPU twins of the flat optimizer passes: AdamW, the 2-norm of a gradient buffer, and scaling for
// clipping.
#include <algorithm>
#include <cmath>

#include "kernels/adamw_factors.h"
#include "kernels/cpu/vector.h"

namespace dorabooth::cpu {

namespace {

DORABOOTH_CLONES void adamw_range(const AdamWFactors& f, const float* __restrict__ gradient,
                                  float* __restrict__ parameter, float* __restrict__ exp_avg,
                                  float* __restrict__ exp_avg_sq, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const float g = gradient[i];
    const float average = exp_avg[i] + f.average_weight * (g - exp_avg[i]);
    const float square = exp_avg_sq[i] * f.square_keep + f.square_weight * g * g;
    const float denominator = std::sqrt(square) / f.root_correction + f.epsilon;
    exp_avg[i] = average;
    exp_avg_sq[i] = square;
    parameter[i] = parameter[i] * f.decay - f.step_size * average / denominator;
  }
}

DORABOOTH_CLONES double square_sum_double(const float* x, int64_t n) {
  Doubles sums = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const Doubles v = __builtin_convertvector(*reinterpret_cast<const Floats*>(x + i), Doubles);
    sums += v * v;
  }
  double total = 0;
  for (int64_t lane = 0; lane < kLanes; ++lane) total += sums[lane];
  for (; i < n; ++i) total += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return total;
}

DORABOOTH_CLONES void scale_range(float* data, float factor, int64_t n) {
  for (int64_t i = 0; i < n; ++i) data[i] *= factor;
}

}  // namespace

void adamw(const AdamWArgs& args) {
  for (int64_t i = 0; i < args.segment_count; ++i) {
    const AdamWSegment& segment = args.segments[i];
    const AdamWFactors factors = adamw_factors(args, segment);
    // Cut at multiples of the lanes, so that no element falls into another loop's tail on another
    // number of threads: there the compiler may contract differently.
    constexpr int64_t kPiece = 4096;
    const int64_t pieces = (segment.end - segment.begin + kPiece - 1) / kPiece;
    parallel_for(args.on, pieces, 8, [&](int64_t first, int64_t last) {
      for (int64_t piece = first; piece < last; ++piece) {
        const int64_t at = segment.begin + piece * kPiece;
        adamw_range(factors, args.gradient + at, args.parameter + at, args.exp_avg + at,
                    args.exp_avg_sq + at, std::min(kPiece, segment.end - at));
      }
    });
  }
}

void l2_norm(const L2NormArgs& args) {
  const int64_t blocks = (args.count + kNormBlock - 1) / kNormBlock;
  parallel_for(args.on, blocks, 4, [&](int64_t first, int64_t last) {
    for (int64_t block = first; block < last; ++block) {
      const int64_t at = block * kNormBlock;
      args.workspace[block] =
          square_sum_double(args.data + at, std::min(kNormBlock, args.count - at));
    }
  });
  double total = 0;
  for (int64_t block = 0; block < blocks; ++block) total += args.workspace[block];
  *args.norm = std::sqrt(total);
}

void scale(const ScaleArgs& args) {
  float factor = args.factor;
  if (args.norm != nullptr) {
    factor *= static_cast<float>(std::min(1.0, args.max_norm / (*args.norm + 1e-6)));
  }
  if (factor == 1.0f) return;
  parallel_for(args.on, args.count, 32768, [&](int64_t first, int64_t last) {
    scale_range(args.data + first, factor, last - first);
  });
}

}  // namespace dorabooth::cpu
