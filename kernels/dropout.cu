// The dropout mask: Philox draws as RandomStream::uniform() makes them, four elements a thread.
#include "kernels/device_math.h"
#include "kernels/launchers.h"

namespace dorabooth::gpu {

namespace {

constexpr int kThreads = 256;
constexpr int kWords = 4;

__global__ void dropout_mask_kernel(DropoutMaskArgs args, bool aligned) {
  const int64_t block = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const int64_t at = block * kWords;
  if (at >= args.count) return;
  const auto drawn = static_cast<uint32_t>(args.first / kWords + block);
  const uint64_t counter = (static_cast<uint64_t>(args.index) << 32) | drawn;
  const PhiloxWords words = philox4x32_10(args.key, counter, args.step);
  const float keep = 1.0f / (1.0f - args.probability);
  float mask[kWords];
  for (int i = 0; i < kWords; ++i) {
    mask[i] = philox_uniform(words.word[i]) < args.probability ? 0.0f : keep;
  }
  if (aligned && at + kWords <= args.count) {
    store_group<kWords>(args.type, mask, args.mask, at);
  } else {
    for (int i = 0; i < kWords && at + i < args.count; ++i) {
      const float one[1] = {mask[i]};
      store_group<1>(args.type, one, args.mask, at + i);
    }
  }
}

}  // namespace

void dropout_mask(const DropoutMaskArgs& args) {
  launch<Meeting::kNever>(dropout_mask_kernel, {divide_up(args.count, kThreads * kWords), 1},
                          {kThreads, 1}, args.on.stream, args, aligned16(args.mask));
}

}  // namespace dorabooth::gpu
