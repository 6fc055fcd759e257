// Half types: every bit pattern against its definition, and rounding to nearest even.
#include "kernels/element.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace dorabooth::element_test {
namespace {

// IEEE 754: sign, `exponent_bits` of exponent, the rest mantissa.
double value_of(uint32_t bits, int exponent_bits) {
  const int mantissa_bits = 15 - exponent_bits;
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = static_cast<int>((bits & 0x7fffu) >> mantissa_bits);
  const double mantissa = (bits & ((1u << mantissa_bits) - 1u)) / std::ldexp(1.0, mantissa_bits);
  const double sign = (bits & 0x8000u) != 0 ? -1.0 : 1.0;
  if (exponent == (1 << exponent_bits) - 1) {
    return mantissa != 0 ? std::nan("") : sign * std::numeric_limits<double>::infinity();
  }
  if (exponent == 0) return sign * std::ldexp(mantissa, 1 - bias);
  return sign * std::ldexp(1 + mantissa, exponent - bias);
}

template <typename T>
void check_all_patterns(int exponent_bits) {
  for (uint32_t bits = 0; bits < 0x10000u; ++bits) {
    const T value{static_cast<uint16_t>(bits)};
    const double want = value_of(bits, exponent_bits);
    const float got = widen(value);
    if (std::isnan(want)) {
      ASSERT_TRUE(std::isnan(got)) << bits;
      T back;
      narrow(got, back);
      ASSERT_TRUE(std::isnan(widen(back))) << bits;
      continue;
    }
    ASSERT_EQ(static_cast<double>(got), want) << bits;
    T back;
    narrow(got, back);
    ASSERT_EQ(back.bits, value.bits) << bits;
  }
}

// Between neighbours a < b: the middle goes to the even pattern, anything nearer to its side.
template <typename T>
void check_rounding(uint32_t largest_finite) {
  for (uint32_t bits = 0; bits < largest_finite; ++bits) {
    const float a = widen(T{static_cast<uint16_t>(bits)});
    const float b = widen(T{static_cast<uint16_t>(bits + 1)});
    const float middle = static_cast<float>((static_cast<double>(a) + static_cast<double>(b)) / 2);
    T below, at, above;
    narrow(std::nextafter(middle, a), below);
    narrow(middle, at);
    narrow(std::nextafter(middle, b), above);
    ASSERT_EQ(below.bits, bits) << bits;
    ASSERT_EQ(at.bits, (bits & 1u) != 0 ? bits + 1 : bits) << bits;
    ASSERT_EQ(above.bits, bits + 1) << bits;
  }
}

TEST(Element, BFloat16WidensExactlyAndComesBack) { check_all_patterns<BFloat16>(8); }
TEST(Element, Float16WidensExactlyAndComesBack) { check_all_patterns<Float16>(5); }
TEST(Element, BFloat16RoundsToNearestEven) { check_rounding<BFloat16>(0x7f7f); }
TEST(Element, Float16RoundsToNearestEven) { check_rounding<Float16>(0x7bff); }

TEST(Element, Float16OverflowsToInfinity) {
  Float16 at_limit, beyond, huge;
  narrow(65519.0f, at_limit);
  narrow(65520.0f, beyond);
  narrow(-1e30f, huge);
  EXPECT_EQ(at_limit.bits, 0x7bff);
  EXPECT_EQ(beyond.bits, 0x7c00);
  EXPECT_EQ(huge.bits, 0xfc00);
}

}  // namespace
}  // namespace dorabooth::element_test
