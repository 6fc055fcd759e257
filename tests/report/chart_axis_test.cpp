#include "src/report/chart_axis.h"

#include <gtest/gtest.h>

#include <cmath>

namespace dorabooth::testing::chart_axis_test {
namespace {

using Texts = std::vector<std::string>;

Texts texts_of(const std::vector<AxisTick>& ticks) {
  Texts texts;
  for (const AxisTick& tick : ticks) texts.push_back(tick.text);
  return texts;
}

Texts linear(double low, double high, int most) {
  return texts_of(axis_ticks({}, {low, high, AxisScale::kLinear}, most));
}

Texts logarithmic(double low, double high, AxisScale scale, int most) {
  ChartAxis axis;
  axis.scale = scale;
  return texts_of(axis_ticks(axis, {low, high, scale}, most));
}

TEST(ChartAxis, TicksAreRoundNumbersWithTheDecimalsThatTellThemApart) {
  EXPECT_EQ(linear(0, 1, 5), (Texts{"0", "0.2", "0.4", "0.6", "0.8", "1.0"}));
  EXPECT_EQ(linear(-0.03, 0.07, 5), (Texts{"-0.02", "0", "0.02", "0.04", "0.06"}));
  EXPECT_EQ(linear(93, 1208, 6), (Texts{"200", "400", "600", "800", "1000", "1200"}));
  EXPECT_EQ(linear(0.118, 0.131, 3), (Texts{"0.120", "0.125", "0.130"}));
}

TEST(ChartAxis, SmallAndLargeNumbersHaveExponents) {
  EXPECT_EQ(linear(0, 2e-5, 4), (Texts{"0", "5e-6", "1e-5", "1.5e-5", "2e-5"}));
  EXPECT_EQ(linear(0, 2.1e6, 2), (Texts{"0", "2e6"}));
  EXPECT_EQ(linear(0, 300000, 3), (Texts{"0", "100000", "200000", "300000"}));
}

TEST(ChartAxis, TicksStayInTheRangeAndAreNotMoreThanAskedFor) {
  for (double low = -3; low < 3; low += 0.37) {
    for (double length = 1e-4; length < 1e4; length *= 3.3) {
      const auto ticks = axis_ticks({}, {low, low + length, AxisScale::kLinear}, 6);
      EXPECT_GE(ticks.size(), 2u) << low << " " << length;
      EXPECT_LE(ticks.size(), 7u) << low << " " << length;
      const double step = ticks[1].value - ticks[0].value;
      const double digit = step / std::pow(10.0, std::floor(std::log10(step * (1 + 1e-7))));
      EXPECT_LT(std::min({std::abs(digit - 1), std::abs(digit - 2), std::abs(digit - 5)}), 1e-4)
          << step;
      for (const AxisTick& tick : ticks) {
        EXPECT_GE(tick.value, low - 1e-5 * length);
        EXPECT_LE(tick.value, low + length * (1 + 1e-5));
        EXPECT_NEAR(std::stod(tick.text), tick.value, 0.01 * step) << tick.text;
      }
    }
  }
}

TEST(ChartAxis, LogarithmicTicksArePowersOfTheBase) {
  EXPECT_EQ(logarithmic(0.9, 70, AxisScale::kLog2, 10),
            (Texts{"1", "2", "4", "8", "16", "32", "64"}));
  EXPECT_EQ(logarithmic(0.9, 70, AxisScale::kLog2, 4), (Texts{"1", "4", "16", "64"}));
  EXPECT_EQ(logarithmic(8e-6, 2e-2, AxisScale::kLog10, 5), (Texts{"1e-5", "1e-4", "1e-3", "1e-2"}));
  EXPECT_EQ(logarithmic(0.9, 25, AxisScale::kLog10, 8), (Texts{"1", "2", "5", "10", "20"}));
  // Too short for two powers: ordinary ticks.
  EXPECT_EQ(logarithmic(5, 7.5, AxisScale::kLog2, 3), (Texts{"5", "6", "7"}));
}

TEST(ChartAxis, PlacesFollowTheLogarithm) {
  const AxisRange range{1, 100, AxisScale::kLog10};
  EXPECT_NEAR(range.place(1), 0.0, 1e-12);
  EXPECT_NEAR(range.place(10), 0.5, 1e-12);
  EXPECT_NEAR(range.place(100), 1.0, 1e-12);
  const AxisRange ranks{4, 64, AxisScale::kLog2};
  EXPECT_NEAR(ranks.place(8), 0.25, 1e-12);
  EXPECT_NEAR((AxisRange{-1, 3}.place(0)), 0.25, 1e-12);
}

TEST(ChartAxis, RangesHoldAllValuesWithAMarginAndBarsBeginAtZero) {
  const AxisRange range = axis_range({}, {2, 12, 5}, false);
  EXPECT_LT(range.low, 2);
  EXPECT_GT(range.high, 12);
  EXPECT_NEAR(2 - range.low, range.high - 12, 1e-12);
  EXPECT_LT(range.high - range.low, 1.2 * 10);
  EXPECT_EQ(axis_range({}, {2, 12, 5}, true).low, 0);
  EXPECT_EQ(axis_range({}, {-2, -12}, true).high, 0);
  EXPECT_LT(axis_range({}, {-2, 12}, true).low, -2);
  ChartAxis given;
  given.low = 1;
  given.high = 3;
  EXPECT_EQ(axis_range(given, {2, 12}, false).low, 1);
  EXPECT_EQ(axis_range(given, {2, 12}, false).high, 3);
  const AxisRange one = axis_range({}, {7, 7}, false);
  EXPECT_LT(one.low, 7);
  EXPECT_GT(one.high, 7);
  ChartAxis ranks;
  ranks.scale = AxisScale::kLog2;
  const AxisRange powers = axis_range(ranks, {4, 64}, false);
  EXPECT_GT(powers.low, 0);
  EXPECT_NEAR(4 / powers.low, powers.high / 64, 1e-9);
}

TEST(ChartAxis, CategoriesAreTicksAtTheirNumbers) {
  ChartAxis axis;
  axis.categories = {"query", "key", "value"};
  const AxisRange range = axis_range(axis, {0, 1}, true);
  EXPECT_EQ(range.low, -0.5);
  EXPECT_EQ(range.high, 2.5);
  EXPECT_EQ(texts_of(axis_ticks(axis, range, 2)), axis.categories);
}

}  // namespace
}  // namespace dorabooth::testing::chart_axis_test
