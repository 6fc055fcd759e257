// Compiled with OpenMP (CMakeLists.txt), without which at::parallel_for is a serial loop.
#include "src/device/parallel_for.h"

#include <ATen/Parallel.h>
#include <omp.h>

#ifndef _OPENMP
#error "compile this file with OpenMP"
#endif

namespace dorabooth {

namespace {

// Of the calling thread alone, until the loop ends. oneDNN asks for the number of threads and not
// whether it is inside a loop: it would divide a product among threads that it then runs one after
// the other, and wait for ever where they meet.
void use_one_thread() {
  // A thread's first question sets the process's number for it: asked here, not later.
  at::internal::lazy_init_num_threads();
  at::get_num_threads();
  omp_set_num_threads(1);
}

void run(void*, int64_t begin, int64_t end, int64_t grain,
         void (*body)(void* body_state, int64_t first, int64_t last), void* body_state) {
  at::parallel_for(begin, end, grain, [&](int64_t first, int64_t last) {
    if (omp_in_parallel()) use_one_thread();
    body(body_state, first, last);
  });
}

}  // namespace

const ParallelFor& torch_parallel_for() {
  static constexpr ParallelFor kLoop = {run, nullptr};
  return kLoop;
}

}  // namespace dorabooth
