// Loops on LibTorch's thread pool, the only one of the process. at::parallel_for itself is a
// template that runs serially wherever OpenMP is not switched on while compiling; one file here is
// compiled with it, and every parallel loop of the program goes through that.
#pragma once

#include <cstdint>

#include "kernels/adapter_core.h"

namespace dorabooth {

// The adapter core's loop.
const ParallelFor& torch_parallel_for();

// body(first, last) over [begin, end) in parts of at least `grain`, one a thread; serially inside
// another such loop. What a body throws is thrown here.
template <typename Body>
void parallel_for(int64_t begin, int64_t end, int64_t grain, const Body& body) {
  torch_parallel_for().run(
      nullptr, begin, end, grain,
      [](void* state, int64_t first, int64_t last) {
        (*static_cast<const Body*>(state))(first, last);
      },
      const_cast<Body*>(&body));
}

}  // namespace dorabooth
