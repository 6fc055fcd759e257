// The flat optimizer passes: AdamW, the 2-norm of a gradient buffer, and scaling for clipping.
#include <cmath>

#include "kernels/adamw_factors.h"
#include "kernels/device_math.h"
#include "kernels/launchers.h"

namespace dorabooth::gpu {

namespace {

constexpr int kThreads = 256;
constexpr int kPack = 4;
constexpr int kSumThreads = 256;

struct AdamWBuffers {
  float* parameter;
  const float* gradient;
  float* exp_avg;
  float* exp_avg_sq;
};

template <int N>
__global__ void adamw_kernel(AdamWBuffers buffers, AdamWFactors f, int64_t begin, int64_t end) {
  const int64_t at = begin + (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * N;
  if (at >= end) return;
  float g[N], p[N], average[N], square[N];
  load_pack<float, N>(buffers.gradient, at, g);
  load_pack<float, N>(buffers.parameter, at, p);
  load_pack<float, N>(buffers.exp_avg, at, average);
  load_pack<float, N>(buffers.exp_avg_sq, at, square);
  for (int i = 0; i < N; ++i) {
    average[i] += f.average_weight * (g[i] - average[i]);
    square[i] = square[i] * f.square_keep + f.square_weight * g[i] * g[i];
    const float denominator = sqrtf(square[i]) / f.root_correction + f.epsilon;
    p[i] = p[i] * f.decay - f.step_size * average[i] / denominator;
  }
  store_pack<float, N>(p, buffers.parameter, at);
  store_pack<float, N>(average, buffers.exp_avg, at);
  store_pack<float, N>(square, buffers.exp_avg_sq, at);
}

template <int N>
void launch_adamw(const AdamWArgs& args, const AdamWFactors& factors, int64_t begin, int64_t end) {
  const AdamWBuffers buffers{args.parameter, args.gradient, args.exp_avg, args.exp_avg_sq};
  launch<Meeting::kNever>(adamw_kernel<N>, {divide_up(end - begin, kThreads * N), 1}, {kThreads, 1},
                          args.on.stream, buffers, factors, begin, end);
}

template <int N>
__global__ void square_sums_kernel(L2NormArgs args) {
  const int64_t first = static_cast<int64_t>(blockIdx.x) * kNormBlock;
  const int64_t last = first + kNormBlock < args.count ? first + kNormBlock : args.count;
  double sum = 0;
  for (int64_t at = first + static_cast<int64_t>(threadIdx.x) * N; at < last; at += kThreads * N) {
    if (at + N <= last) {
      float value[N];
      load_pack<float, N>(args.data, at, value);
      for (int i = 0; i < N; ++i) {
        sum += static_cast<double>(value[i]) * static_cast<double>(value[i]);
      }
    } else {
      for (int64_t i = at; i < last; ++i) {
        sum += static_cast<double>(args.data[i]) * static_cast<double>(args.data[i]);
      }
    }
  }
  sum = block_sum<kThreads>(sum);
  if (threadIdx.x == 0) args.workspace[blockIdx.x] = sum;
}

__global__ void finish_norm_kernel(L2NormArgs args, int64_t blocks) {
  double sum = 0;
  for (int64_t block = threadIdx.x; block < blocks; block += kSumThreads) {
    sum += args.workspace[block];
  }
  sum = block_sum<kSumThreads>(sum);
  if (threadIdx.x == 0) *args.norm = sqrt(sum);
}

template <int N>
__global__ void scale_kernel(ScaleArgs args) {
  float factor = args.factor;
  if (args.norm != nullptr) {
    const double clip = args.max_norm / (*args.norm + 1e-6);
    factor *= static_cast<float>(clip < 1.0 ? clip : 1.0);
  }
  const int64_t at = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * N;
  if (factor == 1.0f || at >= args.count) return;
  if (at + N <= args.count) {
    float value[N];
    load_pack<float, N>(args.data, at, value);
    for (int i = 0; i < N; ++i) value[i] *= factor;
    store_pack<float, N>(value, args.data, at);
  } else {
    for (int64_t i = at; i < args.count; ++i) args.data[i] *= factor;
  }
}

}  // namespace

void adamw(const AdamWArgs& args) {
  const bool aligned = aligned16(args.parameter) && aligned16(args.gradient) &&
                       aligned16(args.exp_avg) && aligned16(args.exp_avg_sq);
  for (int64_t i = 0; i < args.segment_count; ++i) {
    const AdamWSegment& segment = args.segments[i];
    const AdamWFactors factors = adamw_factors(args, segment);
    int64_t whole = segment.begin;
    if (aligned && segment.begin % kPack == 0) {
      whole += (segment.end - segment.begin) / kPack * kPack;
      launch_adamw<kPack>(args, factors, segment.begin, whole);
    }
    launch_adamw<1>(args, factors, whole, segment.end);
  }
}

void l2_norm(const L2NormArgs& args) {
  const int64_t blocks = divide_up(args.count, kNormBlock);
  if (aligned16(args.data)) {
    launch<Meeting::kBarriers>(square_sums_kernel<kPack>, {blocks, 1}, {kThreads, 1},
                               args.on.stream, args);
  } else {
    launch<Meeting::kBarriers>(square_sums_kernel<1>, {blocks, 1}, {kThreads, 1}, args.on.stream,
                               args);
  }
  launch<Meeting::kBarriers>(finish_norm_kernel, {1, 1}, {kSumThreads, 1}, args.on.stream, args,
                             blocks);
}

void scale(const ScaleArgs& args) {
  if (aligned16(args.data)) {
    launch<Meeting::kNever>(scale_kernel<kPack>, {divide_up(args.count, kThreads * kPack), 1},
                            {kThreads, 1}, args.on.stream, args);
  } else {
    launch<Meeting::kNever>(scale_kernel<1>, {divide_up(args.count, kThreads), 1}, {kThreads, 1},
                            args.on.stream, args);
  }
}

}  // namespace dorabooth::gpu
