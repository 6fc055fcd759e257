// The end of dm's sum, for the two kernels that may have it.
#pragma once

#include <cmath>

#include "kernels/device_math.h"

namespace dorabooth {

__device__ __forceinline__ bool is_flagged(const ComposeBackwardArgs& args, int64_t o) {
  const float norm = args.norm != nullptr ? args.norm[o] : 1.0f;
  return fabsf(args.divisor[o]) <= args.bound * norm;
}

// Adds the chunks of column `o` in their order and writes dm and the flag.
__device__ __forceinline__ void finish_dm(const ComposeBackwardArgs& args, int64_t o) {
  const bool flagged = is_flagged(args, o);
  if (args.flagged != nullptr) args.flagged[o] = flagged ? 1 : 0;
  if (args.dm == nullptr || args.value == nullptr) return;
  const int64_t chunks = (args.tokens + kComposeTokensPerChunk - 1) / kComposeTokensPerChunk;
  double sum = 0;
  for (int64_t chunk = 0; chunk < chunks; ++chunk) sum += args.workspace[chunk * args.out + o];
  args.dm[o] = flagged ? 0.0f : static_cast<float>(sum / static_cast<double>(args.divisor[o]));
}

}  // namespace dorabooth
