// Philox against its published known answers; streams as pure functions.
#include "src/base/random_stream.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "kernels/philox.h"

namespace dorabooth::random_stream_test {
namespace {

// Known answers of the Random123 distribution's kat_vectors for philox4x32-10.
TEST(Philox, MatchesTheKnownAnswers) {
  const PhiloxWords zeros = philox4x32_10(0, 0, 0);
  EXPECT_EQ(zeros.word[0], 0x6627e8d5u);
  EXPECT_EQ(zeros.word[1], 0xe169c58du);
  EXPECT_EQ(zeros.word[2], 0xbc57ac4cu);
  EXPECT_EQ(zeros.word[3], 0x9b00dbd8u);
  const PhiloxWords ones = philox4x32_10(~0ull, ~0ull, ~0ull);
  EXPECT_EQ(ones.word[0], 0x408f276du);
  EXPECT_EQ(ones.word[1], 0x41c83b0eu);
  EXPECT_EQ(ones.word[2], 0xa20bc7c6u);
  EXPECT_EQ(ones.word[3], 0x6d5451fdu);
  const PhiloxWords pi =
      philox4x32_10(0x299f31d0a4093822ull, 0x85a308d3243f6a88ull, 0x0370734413198a2eull);
  EXPECT_EQ(pi.word[0], 0xd16cfe09u);
  EXPECT_EQ(pi.word[1], 0x94fdccebu);
  EXPECT_EQ(pi.word[2], 0x5001e420u);
  EXPECT_EQ(pi.word[3], 0x24126ea1u);
}

TEST(RandomStream, IsAPureFunctionOfItsArguments) {
  std::vector<float> first(103);
  std::vector<float> again(103);
  RandomStream(5, "noise").normal(7, 2, first);
  RandomStream(5, "noise").normal(7, 2, again);
  EXPECT_EQ(first, again);
  std::vector<float> prefix(50);
  RandomStream(5, "noise").normal(7, 2, prefix);
  EXPECT_TRUE(std::equal(prefix.begin(), prefix.end(), first.begin()));
  for (const auto& other : {RandomStream(6, "noise"), RandomStream(5, "noisf")}) {
    other.normal(7, 2, again);
    EXPECT_NE(first, again);
  }
}

TEST(RandomStream, NormalsHaveMeanZeroAndUnitVariance) {
  std::vector<float> values(200000);
  RandomStream(1, "noise").normal(0, 0, values);
  double sum = 0;
  double squares = 0;
  double fourth = 0;
  for (const float v : values) {
    sum += v;
    squares += static_cast<double>(v) * v;
    fourth += std::pow(static_cast<double>(v), 4);
  }
  const auto n = static_cast<double>(values.size());
  EXPECT_NEAR(sum / n, 0.0, 0.01);
  EXPECT_NEAR(squares / n, 1.0, 0.015);
  EXPECT_NEAR(fourth / n, 3.0, 0.1);
}

TEST(RandomStream, IntegersFillTheirRangeEvenly) {
  const RandomStream stream(3, "timestep");
  std::vector<int> counts(10, 0);
  for (uint64_t step = 0; step < 20000; ++step) ++counts[stream.integer(step, 0, 10)];
  for (const int count : counts) EXPECT_NEAR(count, 2000, 220);
}

TEST(RandomStream, PermutationsHoldEveryIndexOnce) {
  auto order = RandomStream(3, "order").permutation(4, 0, 1000);
  EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
  std::sort(order.begin(), order.end());
  for (int64_t i = 0; i < 1000; ++i) EXPECT_EQ(order[static_cast<size_t>(i)], i);
}

}  // namespace
}  // namespace dorabooth::random_stream_test
