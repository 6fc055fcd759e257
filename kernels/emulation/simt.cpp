// The scheduler of the SIMT emulation: fibers of Boost.Context, separate waits for warp and block.
#include "kernels/emulation/simt.h"

#include <algorithm>
#include <boost/context/fiber.hpp>
#include <boost/context/preallocated.hpp>
#include <exception>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

namespace dorabooth::simt {

constinit thread_local Index threadIdx;
constinit thread_local Index blockIdx;
constinit thread_local Index blockDim;
constinit thread_local Index gridDim;

namespace {

namespace context = boost::context;

constexpr size_t kStackBytes = 64 * 1024;
constexpr int64_t kWarpSize = 32;

enum class Wait { kNothing, kWarp, kBlock, kNextBlock };

// The stacks belong to the block; a fiber must not free its own.
struct BorrowedStack {
  void deallocate(context::stack_context&) {}
};

struct Thread {
  char* stack = nullptr;     // kStackBytes of the block's
  context::fiber fiber;      // where to go on inside the thread
  context::fiber scheduler;  // where to go back to, while the thread runs
  Wait wait = Wait::kNothing;
  int line = 0;
  uint64_t slot = 0;
  Index index;
  bool launch_is_over = false;
  std::exception_ptr error;
#if defined(__SANITIZE_ADDRESS__)
  void* fake_stack = nullptr;
  const void* scheduler_bottom = nullptr;
  size_t scheduler_size = 0;
#endif
};

// One allocation for all stacks: never touched as a whole, so that only used pages become memory.
struct Block {
  explicit Block(size_t count)
      : stacks(std::make_unique_for_overwrite<char[]>(count * kStackBytes)), threads(count) {}

  std::unique_ptr<char[]> stacks;
  std::vector<Thread> threads;
};

thread_local Order current_order = Order::kForward;
thread_local int64_t launches = 0;
thread_local Block* current_block = nullptr;

// Called on the thread's own stack: back to the scheduler until it resumes this thread.
void suspend(Thread& thread, Wait wait, int line) {
  thread.wait = wait;
  thread.line = line;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&thread.fake_stack, thread.scheduler_bottom,
                                 thread.scheduler_size);
#endif
  thread.scheduler = std::move(thread.scheduler).resume();
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(thread.fake_stack, &thread.scheduler_bottom,
                                  &thread.scheduler_size);
#endif
}

void resume(Thread& thread) {
  threadIdx = thread.index;
  thread.wait = Wait::kNothing;
#if defined(__SANITIZE_ADDRESS__)
  void* fake_stack = nullptr;
  __sanitizer_start_switch_fiber(&fake_stack, thread.stack, kStackBytes);
#endif
  thread.fiber = std::move(thread.fiber).resume();
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
#endif
}

// A fiber lives through all blocks of a launch: it runs the kernel, waits for the next block, runs
// it again.
void start(Thread& thread, const std::function<void()>& body) {
  context::stack_context stack;
  stack.size = kStackBytes;
  stack.sp = thread.stack + kStackBytes;
  const context::preallocated place(stack.sp, stack.size, stack);
  thread.fiber = context::fiber(
      std::allocator_arg, place, BorrowedStack{}, [&thread, &body](context::fiber&& scheduler) {
#if defined(__SANITIZE_ADDRESS__)
        __sanitizer_finish_switch_fiber(nullptr, &thread.scheduler_bottom, &thread.scheduler_size);
#endif
        thread.scheduler = std::move(scheduler);
        while (!thread.launch_is_over) {
          try {
            body();
          } catch (const context::detail::forced_unwind&) {
            throw;
          } catch (...) {
            // An exception may not cross a fiber's bottom: the scheduler throws it again.
            thread.error = std::current_exception();
          }
          suspend(thread, Wait::kNextBlock, 0);
        }
#if defined(__SANITIZE_ADDRESS__)
        __sanitizer_start_switch_fiber(nullptr, thread.scheduler_bottom, thread.scheduler_size);
#endif
        return std::move(thread.scheduler);
      });
}

std::string place_of(const Thread& thread) {
  std::string text =
      "thread " + std::to_string(thread.index.x) + "," + std::to_string(thread.index.y) + " is ";
  switch (thread.wait) {
    case Wait::kWarp:
      return text + "at the warp barrier of line " + std::to_string(thread.line);
    case Wait::kBlock:
      return text + "at the block barrier of line " + std::to_string(thread.line);
    default:
      return text + "at the kernel's end";
  }
}

// Whether all threads of [first, last) wait at the same place.
bool together(const std::vector<Thread>& threads, size_t first, size_t last, Wait wait) {
  for (size_t i = first; i < last; ++i) {
    if (threads[i].wait != wait || threads[i].line != threads[first].line) return false;
  }
  return true;
}

void release(std::vector<Thread>& threads, size_t first, size_t last) {
  for (size_t i = first; i < last; ++i) threads[i].wait = Wait::kNothing;
}

[[noreturn]] void fail_divergent(const std::vector<Thread>& threads) {
  for (const Thread& thread : threads) {
    if (thread.wait != threads[0].wait || thread.line != threads[0].line) {
      throw std::logic_error("divergent barrier: " + place_of(threads[0]) + ", " +
                             place_of(thread));
    }
  }
  throw std::logic_error("divergent barrier: " + place_of(threads[0]) + ", as all threads are");
}

void reorder(std::vector<size_t>& order, uint64_t& state) {
  if (current_order != Order::kShuffled) return;
  for (size_t i = order.size(); i > 1; --i) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    std::swap(order[i - 1], order[static_cast<size_t>(state >> 33) % i]);
  }
}

void run_block(std::vector<Thread>& threads, std::vector<size_t>& order, uint64_t& shuffle) {
  release(threads, 0, threads.size());
  for (;;) {
    reorder(order, shuffle);
    for (const size_t i : order) {
      if (threads[i].wait != Wait::kNothing) continue;
      resume(threads[i]);
      if (threads[i].error) std::rethrow_exception(threads[i].error);
    }
    if (together(threads, 0, threads.size(), Wait::kNextBlock)) return;
    if (together(threads, 0, threads.size(), Wait::kBlock)) {
      release(threads, 0, threads.size());
      continue;
    }
    bool progress = false;
    for (size_t warp = 0; warp < threads.size(); warp += kWarpSize) {
      if (!together(threads, warp, warp + kWarpSize, Wait::kWarp)) continue;
      release(threads, warp, warp + kWarpSize);
      progress = true;
    }
    if (!progress) fail_divergent(threads);
  }
}

Thread& this_thread() {
  if (current_block == nullptr) {
    throw std::logic_error("a barrier in a kernel that was launched as one without barriers");
  }
  return current_block->threads[threadIdx.y * blockDim.x + threadIdx.x];
}

template <typename Body>
void for_each_block(int64_t grid_x, int64_t grid_y, const Body& body) {
  gridDim = {static_cast<unsigned>(grid_x), static_cast<unsigned>(grid_y), 1};
  for (int64_t y = 0; y < grid_y; ++y) {
    for (int64_t x = 0; x < grid_x; ++x) {
      blockIdx = {static_cast<unsigned>(x), static_cast<unsigned>(y), 0};
      body();
    }
  }
}

}  // namespace

OrderScope::OrderScope(Order order) : previous_(current_order) { current_order = order; }

OrderScope::~OrderScope() { current_order = previous_; }

int64_t launch_count() { return launches; }

void run_grid(int64_t grid_x, int64_t grid_y, int64_t block_x, int64_t block_y, bool barriers,
              const std::function<void()>& thread) {
  const auto count = static_cast<size_t>(block_x * block_y);
  if (count == 0 || count > 1024 || count % kWarpSize != 0) {
    throw std::logic_error("a block of " + std::to_string(count) +
                           " threads: want a multiple of 32 up to 1024");
  }
  if (grid_y > 65535) {
    throw std::logic_error("a grid of height " + std::to_string(grid_y) + ": CUDA allows 65535");
  }
  ++launches;
  blockDim = {static_cast<unsigned>(block_x), static_cast<unsigned>(block_y), 1};
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  if (current_order == Order::kReverse) std::reverse(order.begin(), order.end());
  uint64_t shuffle = 1;
  const auto index_of = [&](size_t i) {
    const auto at = static_cast<unsigned>(i);
    return Index{at % blockDim.x, at / blockDim.x, 0};
  };
  if (!barriers) {
    reorder(order, shuffle);
    for_each_block(grid_x, grid_y, [&] {
      for (const size_t i : order) {
        threadIdx = index_of(i);
        thread();
      }
    });
    return;
  }
  Block block(count);
  for (size_t i = 0; i < count; ++i) {
    block.threads[i].stack = block.stacks.get() + i * kStackBytes;
    block.threads[i].index = index_of(i);
    start(block.threads[i], thread);
  }
  struct Current {
    explicit Current(Block* b) { current_block = b; }
    ~Current() { current_block = nullptr; }
  } current(&block);
  for_each_block(grid_x, grid_y, [&] { run_block(block.threads, order, shuffle); });
  for (Thread& each : block.threads) {
    each.launch_is_over = true;
    resume(each);
  }
}

void block_barrier(int line) { suspend(this_thread(), Wait::kBlock, line); }

void warp_barrier(int line) { suspend(this_thread(), Wait::kWarp, line); }

unsigned lane_of_thread() {
  return (threadIdx.y * blockDim.x + threadIdx.x) % static_cast<unsigned>(kWarpSize);
}

uint64_t exchange(uint64_t value, unsigned lane, int line) {
  Thread& thread = this_thread();
  const auto warp = static_cast<size_t>(&thread - current_block->threads.data()) / kWarpSize;
  thread.slot = value;
  warp_barrier(line);
  const uint64_t received = current_block->threads[warp * kWarpSize + lane % kWarpSize].slot;
  warp_barrier(line);
  return received;
}

}  // namespace dorabooth::simt
