// A matrix in its file against the same in memory: the same bits at every use, and when it is kept.
#include "src/ops/deferred_weight.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace dorabooth::deferred_weight_test {
namespace {

class Deferred : public ::testing::Test {
 protected:
  DeferredWeight make(const at::Tensor& matrix) {
    return {matrix.size(0), matrix.size(1), matrix.scalar_type(),
            [this, matrix](int64_t first, const at::Tensor& rows) {
              ++reads_;
              rows.copy_(matrix.slice(0, first, first + rows.size(0)));
            },
            memory_};
  }
  std::shared_ptr<DeferredMemory> memory_ = std::make_shared<DeferredMemory>();
  std::atomic<int> reads_ = 0;
};

using Use = std::function<at::Tensor(const FrozenWeight&)>;

TEST_F(Deferred, EveryUseHasTheBitsOfADenseMatrix) {
  at::manual_seed(1);
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kHalf}) {
    const at::Tensor matrix = at::randn({600, 96}).to(type);
    const DenseWeight dense(matrix);
    const at::Tensor x = at::randn({3, 5, 96}).to(type);
    const at::Tensor dy = at::randn({3, 5, 600}).to(type);
    const at::Tensor bias = at::randn({600}).to(type);
    const Use uses[] = {
        [&](const FrozenWeight& w) { return w.matmul(x); },
        [&](const FrozenWeight& w) { return w.matmul(x.to(at::kFloat)); },
        [&](const FrozenWeight& w) { return w.affine(x, bias); },
        [&](const FrozenWeight& w) { return w.matmul_transposed(dy); },
        [&](const FrozenWeight& w) { return w.rows(100, 300); },
        [&](const FrozenWeight& w) { return w.core_rows(0, 600); },
        [&](const FrozenWeight& w) { return w.row_norm2(); },
        [&](const FrozenWeight& w) { return w.column_norm2(); },
    };
    for (const Use& use : uses) {
      const DeferredWeight deferred = make(matrix);
      EXPECT_EQ(deferred.core_row_count(), dense.core_row_count());
      for (int round = 0; round < 3; ++round) {
        EXPECT_TRUE(at::equal(use(deferred), use(dense)));
      }
      EXPECT_TRUE(at::equal(deferred.tensor(), matrix));
    }
  }
}

TEST_F(Deferred, IsKeptFromTheSecondProductOn) {
  const at::Tensor x = at::ones({1, 8});
  const DeferredWeight weight = make(at::ones({4, 8}));
  EXPECT_EQ(reads_, 0);
  weight.matmul(x);
  EXPECT_FALSE(weight.is_kept());
  EXPECT_EQ(reads_, 1);
  for (int use = 0; use < 3; ++use) weight.matmul(x);
  EXPECT_TRUE(weight.is_kept());
  EXPECT_EQ(reads_, 2);
}

TEST_F(Deferred, SomeRowsDoNotKeepItAllRowsDo) {
  const DeferredWeight weight = make(at::arange(32.0f).view({4, 8}));
  EXPECT_TRUE(at::equal(weight.core_rows(1, 3), at::arange(8.0f, 24.0f).view({2, 8})));
  EXPECT_EQ(weight.rows(2, 2).size(0), 0);
  EXPECT_FALSE(weight.is_kept());
  weight.core_rows(0, 4);
  EXPECT_TRUE(weight.is_kept());
}

TEST_F(Deferred, FirstUsesOfAModelShareOneBuffer) {
  const at::Tensor x = at::ones({1, 64});
  void* seen = nullptr;
  for (int64_t rows : {70, 20, 64}) {
    const DeferredWeight weight(
        rows, 64, at::kFloat,
        [&](int64_t, const at::Tensor& into) {
          if (!seen) seen = into.data_ptr();
          EXPECT_EQ(into.data_ptr(), seen);
          into.fill_(1);
        },
        memory_);
    EXPECT_TRUE(at::equal(weight.matmul(x), at::full({1, rows}, 64.0f)));
  }
}

TEST_F(Deferred, ServesSeveralThreads) {
  at::manual_seed(2);
  const at::Tensor matrix = at::randn({64, 64});
  const at::Tensor x = at::randn({2, 64});
  const at::Tensor want = DenseWeight(matrix).matmul(x);
  for (int round = 0; round < 20; ++round) {
    const DeferredWeight weight = make(matrix);
    std::atomic<int> wrong = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int use = 0; use < 3; ++use) wrong += at::equal(weight.matmul(x), want) ? 0 : 1;
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0);
    EXPECT_TRUE(weight.is_kept());
  }
}

}  // namespace
}  // namespace dorabooth::deferred_weight_test
