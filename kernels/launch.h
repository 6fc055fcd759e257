// The thin layer between kernels and what runs them: CUDA where nvcc compiles, the emulation
// elsewhere.
#pragma once

#include <cstdint>

#include "kernels/element.h"

#if defined(__CUDACC__)
#include <cuda_runtime.h>

#include <stdexcept>
#include <string>
#else
#include "kernels/emulation/simt.h"
#endif

namespace dorabooth {

inline constexpr int kWarp = 32;
inline constexpr unsigned kAllLanes = 0xffffffffu;

// Whether a kernel's threads meet (__syncthreads, shuffles): those that never do need no fibers
// when emulated.
enum class Meeting { kNever, kBarriers };

inline int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

struct Extent {
  int64_t x = 1;
  int64_t y = 1;
};

template <Meeting kMeeting, typename... Parameters, typename... Arguments>
void launch(void (*kernel)(Parameters...), Extent grid, Extent block, void* stream,
            const Arguments&... arguments) {
  if (grid.x == 0 || grid.y == 0) return;
#if defined(__CUDACC__)
  const dim3 blocks(static_cast<unsigned>(grid.x), static_cast<unsigned>(grid.y));
  const dim3 threads(static_cast<unsigned>(block.x), static_cast<unsigned>(block.y));
  kernel<<<blocks, threads, 0, static_cast<cudaStream_t>(stream)>>>(arguments...);
  const cudaError_t status = cudaGetLastError();
  if (status != cudaSuccess) {
    throw std::runtime_error(std::string("CUDA kernel launch failed: ") +
                             cudaGetErrorString(status));
  }
#else
  static_cast<void>(stream);
  simt::run_grid(grid.x, grid.y, block.x, block.y, kMeeting == Meeting::kBarriers,
                 [&] { kernel(arguments...); });
#endif
}

}  // namespace dorabooth
