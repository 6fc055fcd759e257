// A CUDA block on one CPU thread: a fiber per CUDA thread, one block after another. Holds the names
// that kernels use of CUDA's language; no CUDA header is needed.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
// One block runs at a time on a CPU thread, so its shared memory is one static per thread.
#define __shared__ static thread_local
#define __launch_bounds__(...)

namespace dorabooth::simt {

struct Index {
  unsigned x = 0;
  unsigned y = 0;
  unsigned z = 0;
};

// Variables, not macros: CUDA's headers have parameters of these names. Set before a fiber resumes;
// constinit, so that each use is a plain access.
extern constinit thread_local Index threadIdx;
extern constinit thread_local Index blockIdx;
extern constinit thread_local Index blockDim;
extern constinit thread_local Index gridDim;

enum class Order { kForward, kReverse, kShuffled };

// The order in which a block's threads run between barriers, for launches of this CPU thread.
class OrderScope {
 public:
  explicit OrderScope(Order order);
  ~OrderScope();
  OrderScope(const OrderScope&) = delete;
  OrderScope& operator=(const OrderScope&) = delete;

 private:
  Order previous_;
};

// Runs `thread` for every thread of every block. With `barriers` each thread of a block has a
// fiber; without, threads are plain calls and a barrier throws. Throws on a barrier that some
// thread of the block (or warp) does not reach, or that threads reach at different places;
// exceptions of a thread reach the caller.
void run_grid(int64_t grid_x, int64_t grid_y, int64_t block_x, int64_t block_y, bool barriers,
              const std::function<void()>& thread);

// Grids run by this CPU thread so far: kernel launches, counted.
int64_t launch_count();

void block_barrier(int line);
void warp_barrier(int line);

// Puts `value` into this lane's slot, waits for the warp, and reads the slot of `lane`.
uint64_t exchange(uint64_t value, unsigned lane, int line);
unsigned lane_of_thread();

template <typename T>
T exchange_value(T value, unsigned lane, int line) {
  static_assert(sizeof(T) <= sizeof(uint64_t));
  uint64_t word = 0;
  memcpy(&word, &value, sizeof(T));
  word = exchange(word, lane, line);
  memcpy(&value, &word, sizeof(T));
  return value;
}

}  // namespace dorabooth::simt

namespace dorabooth {

using simt::blockDim;
using simt::blockIdx;
using simt::gridDim;
using simt::threadIdx;

inline void __syncthreads(int line = __builtin_LINE()) { simt::block_barrier(line); }

inline void __syncwarp(unsigned = 0xffffffffu, int line = __builtin_LINE()) {
  simt::warp_barrier(line);
}

template <typename T>
T __shfl_xor_sync(unsigned, T value, int lane_mask, int line = __builtin_LINE()) {
  return simt::exchange_value(value, simt::lane_of_thread() ^ static_cast<unsigned>(lane_mask),
                              line);
}

inline float __ldg(const float* address) { return *address; }

}  // namespace dorabooth
