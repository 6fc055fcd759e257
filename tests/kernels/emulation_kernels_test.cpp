// The SIMT emulation itself: barriers of warp and block, and the faults that it must show.
#include <gtest/gtest.h>

#include <vector>

#include "kernels/launch.h"
#include "tests/support/fixtures.h"

namespace dorabooth::testing::emulation_kernels_test {
namespace {

constexpr int kThreads = 128;
constexpr simt::Order kOrders[] = {simt::Order::kForward, simt::Order::kReverse,
                                   simt::Order::kShuffled};

// Each thread takes its right neighbour's value; without the barrier it may read an old one.
template <bool kBarrier>
__global__ void rotate_kernel(const int* in, int* out) {
  __shared__ int values[kThreads];
  const unsigned i = threadIdx.x;
  values[i] = in[blockIdx.x * kThreads + i];
  if (kBarrier) __syncthreads();
  out[blockIdx.x * kThreads + i] = values[(i + 1) % kThreads];
  if (kBarrier) __syncthreads();
}

template <bool kBarrier>
bool rotates(simt::Order order) {
  const simt::OrderScope scope(order);
  std::vector<int> in(3 * kThreads), out(3 * kThreads);
  for (size_t i = 0; i < in.size(); ++i) in[i] = static_cast<int>(i) + 1;
  launch<Meeting::kBarriers>(rotate_kernel<kBarrier>, {3, 1}, {kThreads, 1}, nullptr,
                             static_cast<const int*>(in.data()), out.data());
  for (size_t i = 0; i < in.size(); ++i) {
    const size_t block = i / kThreads * kThreads;
    if (out[i] != in[block + (i + 1) % kThreads]) return false;
  }
  return true;
}

TEST(Emulation, ABarrierMakesTheBlockMeet) {
  for (const simt::Order order : kOrders) EXPECT_TRUE(rotates<true>(order));
}

TEST(Emulation, AMissingBarrierShowsInSomeOrder) {
  int failures = 0;
  for (const simt::Order order : kOrders) failures += rotates<false>(order) ? 0 : 1;
  EXPECT_GT(failures, 0);
}

__global__ void warp_sum_kernel(int* out) {
  int value = static_cast<int>(threadIdx.x);
  for (int mask = kWarp / 2; mask > 0; mask /= 2) value += __shfl_xor_sync(kAllLanes, value, mask);
  out[threadIdx.x] = value;
}

TEST(Emulation, ShufflesStayWithinTheWarp) {
  for (const simt::Order order : kOrders) {
    const simt::OrderScope scope(order);
    std::vector<int> out(kThreads);
    launch<Meeting::kBarriers>(warp_sum_kernel, {1, 1}, {kThreads, 1}, nullptr, out.data());
    for (int i = 0; i < kThreads; ++i) {
      const int first = i / kWarp * kWarp;
      EXPECT_EQ(out[static_cast<size_t>(i)], kWarp * first + kWarp * (kWarp - 1) / 2);
    }
  }
}

__global__ void half_a_barrier_kernel() {
  if (threadIdx.x < kThreads / 2) __syncthreads();
}

__global__ void two_barriers_kernel() {
  if (threadIdx.x == 0) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}

__global__ void throwing_kernel() {
  __syncthreads();
  if (threadIdx.x == 5) throw std::runtime_error("thread five");
  __syncthreads();
}

TEST(Emulation, ADivergentBarrierThrows) {
  for (auto* kernel : {half_a_barrier_kernel, two_barriers_kernel}) {
    EXPECT_NE(message_of([&] {
                launch<Meeting::kBarriers>(kernel, {1, 1}, {kThreads, 1}, nullptr);
              }).find("divergent barrier"),
              std::string::npos);
  }
}

TEST(Emulation, ABarrierInAKernelLaunchedWithoutThrows) {
  EXPECT_NE(message_of([] {
              launch<Meeting::kNever>(half_a_barrier_kernel, {1, 1}, {kThreads, 1}, nullptr);
            }).find("without barriers"),
            std::string::npos);
}

TEST(Emulation, AnExceptionOfOneThreadReachesTheCaller) {
  EXPECT_EQ(message_of([] {
              launch<Meeting::kBarriers>(throwing_kernel, {2, 1}, {kThreads, 1}, nullptr);
            }),
            "thread five");
}

}  // namespace
}  // namespace dorabooth::testing::emulation_kernels_test
