// Loops on LibTorch's pool.
#include "src/device/parallel_for.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

namespace dorabooth::parallel_for_test {
namespace {

class ParallelFor : public ::testing::Test {
 protected:
  ParallelFor() { at::set_num_threads(2); }
  ~ParallelFor() override { at::set_num_threads(threads_); }

  const int threads_ = at::get_num_threads();
};

TEST_F(ParallelFor, PartsRunOnSeveralThreads) {
  std::mutex lock;
  std::set<std::thread::id> threads;
  std::vector<int> visits(8, 0);
  parallel_for(0, 8, 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) ++visits[static_cast<size_t>(i)];
    const std::lock_guard guard(lock);
    threads.insert(std::this_thread::get_id());
  });
  EXPECT_EQ(threads.size(), 2u);
  EXPECT_EQ(visits, std::vector<int>(8, 1));
}

// A convolution's backward pass in every part, after one outside: oneDNN's kernels for two threads
// would wait for each other for ever.
TEST_F(ParallelFor, ConvolutionsInsideAPartUseItsThreadAlone) {
  const auto options = at::TensorOptions().dtype(at::kFloat);
  const auto step = [&] {
    const at::Tensor x =
        at::ones({2, 16, 32, 32}, options).contiguous(at::MemoryFormat::ChannelsLast);
    const at::Tensor weight = at::ones({16, 16, 3, 3}, options).requires_grad_();
    at::conv2d(x, weight, {}, 1, 1).sum().backward();
    return weight.grad().sum().item<float>();
  };
  const float outside = step();
  std::vector<float> inside(2);
  parallel_for(0, 2, 1, [&](int64_t first, int64_t last) {
    const at::AutoGradMode records(true);
    for (int64_t i = first; i < last; ++i) {
      inside[static_cast<size_t>(i)] = step();
      EXPECT_EQ(at::get_num_threads(), 1);
    }
  });
  EXPECT_EQ(inside, std::vector<float>(2, outside));
  EXPECT_EQ(at::get_num_threads(), 2);
}

TEST_F(ParallelFor, WhatABodyThrowsArrives) {
  EXPECT_THROW(parallel_for(0, 2, 1,
                            [](int64_t first, int64_t) {
                              if (first == 1) throw std::runtime_error("from a part");
                            }),
               std::runtime_error);
}

}  // namespace
}  // namespace dorabooth::parallel_for_test
