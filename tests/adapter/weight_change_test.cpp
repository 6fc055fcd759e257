// Cases of the analysis whose answer is known.
#include "src/adapter/weight_change.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "src/base/error.h"

namespace dorabooth::weight_change_test {
namespace {

TEST(WeightChange, AScaledWeightKeepsItsDirection) {
  at::manual_seed(1);
  const at::Tensor w0 = at::randn({5, 7});
  const WeightChange change = weight_change(w0, 1.5 * w0, VectorAxis::kOutput);
  EXPECT_NEAR(change.direction, 0.0, 1e-12);
  EXPECT_NEAR(change.magnitude, 0.5 * w0.norm(2, {1}).mean().item<double>(), 1e-6);
}

TEST(WeightChange, ARotatedVectorKeepsItsMagnitude) {
  const at::Tensor w0 = at::tensor({3.0, 0.0, 0.0, 2.0}).reshape({2, 2});
  const at::Tensor w = at::tensor({0.0, 3.0, -2.0, 0.0}).reshape({2, 2});
  const WeightChange change = weight_change(w0, w, VectorAxis::kOutput);
  EXPECT_EQ(change.magnitude, 0.0);
  EXPECT_EQ(change.direction, 1.0);
}

TEST(WeightChange, ColumnsAreTheRowsOfTheTransposed) {
  at::manual_seed(2);
  const at::Tensor w0 = at::randn({4, 3, 2, 2});
  const at::Tensor w = at::randn({4, 3, 2, 2});
  const WeightChange columns = weight_change(w0, w, VectorAxis::kInput);
  const WeightChange rows =
      weight_change(w0.transpose(0, 1), w.transpose(0, 1), VectorAxis::kOutput);
  EXPECT_EQ(columns.magnitude, rows.magnitude);
  EXPECT_EQ(columns.direction, rows.direction);
}

TEST(WeightChange, ZerosHaveNoDirection) {
  const at::Tensor w0 = at::tensor({0.0, 0.0, 1.0, 0.0}).reshape({2, 2});
  EXPECT_EQ(weight_change(w0, w0, VectorAxis::kOutput).direction, 0.0);
  EXPECT_EQ(weight_change(w0, at::tensor({1.0, 0.0, 1.0, 0.0}).reshape({2, 2}), VectorAxis::kOutput)
                .direction,
            0.5);
  EXPECT_THROW(weight_change(w0, at::zeros({3, 2}), VectorAxis::kOutput), Error);
}

TEST(WeightChange, ATrendIsALine) {
  const ChangeTrend trend = change_trend({{1.0, 0.1}, {0.8, 0.2}, {0.6, 0.3}});
  EXPECT_NEAR(trend.pearson, -1.0, 1e-12);
  EXPECT_NEAR(trend.slope, -2.0, 1e-12);
  EXPECT_NEAR(trend.intercept, 1.2, 1e-12);
  EXPECT_TRUE(std::isnan(change_trend({{1.0, 0.1}}).pearson));
  EXPECT_TRUE(std::isnan(change_trend({}).slope));
  EXPECT_TRUE(std::isnan(change_trend({{1.0, 0.1}, {1.0, 0.2}}).pearson));
}

}  // namespace
}  // namespace dorabooth::weight_change_test
