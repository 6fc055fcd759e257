// The digest that caches are named by: of the numbers, however they are held.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <memory>

#include "pipelines/parts/training_examples.h"
#include "src/nn/linear.h"
#include "src/ops/deferred_weight.h"

namespace dorabooth::module_digest_test {
namespace {

constexpr int64_t kOut = 600;
constexpr int64_t kIn = 24;

class ModuleDigest : public ::testing::Test {
 protected:
  ModuleDigest() { at::manual_seed(6); }

  std::shared_ptr<nn::Linear> dense(const at::Tensor& matrix) {
    auto linear = std::make_shared<nn::Linear>(kIn, kOut, /*bias=*/true, at::kFloat);
    linear->assign("weight", matrix);
    linear->assign("bias", at::arange(static_cast<float>(kOut)));
    return linear;
  }
  std::shared_ptr<nn::Linear> deferred(const at::Tensor& matrix) {
    auto linear = dense(at::zeros({kOut, kIn}));
    const auto read = [matrix](int64_t first, const at::Tensor& rows) {
      rows.copy_(matrix.slice(0, first, first + rows.size(0)));
    };
    linear->set_weight(std::make_shared<DeferredWeight>(kOut, kIn, at::kFloat, read,
                                                        std::make_shared<DeferredMemory>()));
    return linear;
  }
  TrainConfig config_;
};

TEST_F(ModuleDigest, AWeightThatIsStillInItsFileCountsAsALoadedOne) {
  const at::Tensor matrix = at::randn({kOut, kIn});
  const std::string want = module_digest(*dense(matrix), config_);
  const auto linear = deferred(matrix);
  EXPECT_EQ(module_digest(*linear, config_), want);
  for (int use = 0; use < 2; ++use) linear->forward(at::ones({1, kIn}));
  EXPECT_EQ(module_digest(*linear, config_), want);
  linear->restore();
  EXPECT_EQ(module_digest(*linear, config_), want);
}

TEST_F(ModuleDigest, EveryNumberCounts) {
  const at::Tensor matrix = at::randn({kOut, kIn});
  const std::string want = module_digest(*deferred(matrix), config_);
  for (const int64_t row : {int64_t{0}, int64_t{300}, kOut - 1}) {
    at::Tensor other = matrix.clone();
    other[row][kIn - 1] += 1;
    EXPECT_NE(module_digest(*deferred(other), config_), want) << row;
  }
  const auto biased = deferred(matrix);
  biased->assign("bias", at::zeros({kOut}));
  EXPECT_NE(module_digest(*biased, config_), want);
}

}  // namespace
}  // namespace dorabooth::module_digest_test
