// The adapter core's parallel loop on torch's thread pool.
#include "src/device/parallel_for.h"

#include <ATen/Parallel.h>

namespace dorabooth {

namespace {

void run(void*, int64_t begin, int64_t end, int64_t grain,
         void (*body)(void* body_state, int64_t first, int64_t last), void* body_state) {
  at::parallel_for(begin, end, grain,
                   [&](int64_t first, int64_t last) { body(body_state, first, last); });
}

}  // namespace

const ParallelFor& torch_parallel_for() {
  static constexpr ParallelFor kLoop = {run, nullptr};
  return kLoop;
}

}  // namespace dorabooth
