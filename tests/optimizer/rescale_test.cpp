// A parameter that is multiplied between two steps, and one that ends before the others.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "src/base/error.h"
#include "src/optimizer/optimizer.h"
#include "tests/support/fixtures.h"

namespace dorabooth::rescale_test {
namespace {

class Rescale : public ::testing::Test {
 protected:
  void make(bool schedule_free) {
    ParameterGroup group{"text", {{"rows", rows_}, {"other", other_}}, 0.1, 0.0};
    optimizer_ = schedule_free ? make_schedule_free_adamw({group}, {}) : make_adamw({group}, {});
  }
  void step(bool with_rows) {
    at::Tensor loss = (other_ * 3).sum();
    if (with_rows) loss = loss + (rows_ * rows_).sum();
    loss.backward();
    optimizer_->step();
    optimizer_->zero_grad();
  }
  at::Tensor average() {
    optimizer_->use_average(true);
    const at::Tensor values = rows_.detach().clone();
    optimizer_->use_average(false);
    return values;
  }

  at::Tensor rows_ = at::arange(1, 7, at::kFloat).view({2, 3}).requires_grad_();
  at::Tensor other_ = at::ones({5}).requires_grad_();
  std::unique_ptr<Optimizer> optimizer_;
};

TEST_F(Rescale, MultipliesThatParameterAlone) {
  make(/*schedule_free=*/false);
  step(true);
  const at::Tensor rows = rows_.detach().clone();
  const at::Tensor other = other_.detach().clone();
  optimizer_->rescale(rows_, at::tensor(0.5f));
  EXPECT_TRUE(at::equal(rows_.detach(), rows * 0.5));
  EXPECT_TRUE(at::equal(other_.detach(), other));
  EXPECT_NE(testing::message_of([&] {
              optimizer_->rescale(at::ones({1}), at::tensor(2.f));
            }).find("does not train"),
            std::string::npos);
}

TEST_F(Rescale, TheAverageMovesWithTheParameter) {
  make(/*schedule_free=*/true);
  step(true);
  step(true);
  const at::Tensor before = average();
  optimizer_->rescale(rows_, at::tensor(0.5f));
  EXPECT_TRUE(at::equal(average(), before * 0.5));
}

TEST_F(Rescale, ASettledParameterStaysAtItsAverage) {
  make(/*schedule_free=*/true);
  step(true);
  step(true);
  const at::Tensor last = average();
  EXPECT_FALSE(at::equal(rows_.detach(), last));
  optimizer_->settle(rows_);
  EXPECT_TRUE(at::equal(rows_.detach(), last));
  step(false);
  EXPECT_TRUE(at::equal(rows_.detach(), last));
  EXPECT_TRUE(at::equal(average(), last));
  optimizer_->settle(rows_);
  EXPECT_TRUE(at::equal(rows_.detach(), last));
}

}  // namespace
}  // namespace dorabooth::rescale_test
