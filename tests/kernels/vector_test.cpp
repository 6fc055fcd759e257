// Rows of numbers from one type to another, by vectors and past their ends, against the meaning of
// the bits.
#include "kernels/cpu/vector.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

namespace dorabooth::vector_test {
namespace {

// IEEE 754 binary16: sign, 5 bits of exponent with bias 15, 10 bits of fraction.
double meaning_of_half(uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const int fraction = bits & 1023;
  const double sign = bits & 0x8000 ? -1.0 : 1.0;
  if (exponent == 31) return fraction ? std::nan("") : sign * INFINITY;
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  return sign * std::ldexp(1024 + fraction, exponent - 25);
}

// The upper half of a binary32.
double meaning_of_bfloat(uint16_t bits) {
  return static_cast<double>(std::bit_cast<float>(static_cast<uint32_t>(bits) << 16));
}

std::vector<uint16_t> all_patterns() {
  std::vector<uint16_t> bits(65536);
  for (size_t i = 0; i < bits.size(); ++i) bits[i] = static_cast<uint16_t>(i);
  return bits;
}

// Lengths that end inside a vector, and starts that no vector likes.
constexpr int64_t kLengths[] = {1, 15, 16, 17, 33, 1024, 1031, 65533};

TEST(Vector, EveryHalfWidensToWhatItMeans) {
  const std::vector<uint16_t> bits = all_patterns();
  for (const int64_t n : kLengths) {
    std::vector<float> out(static_cast<size_t>(n), -7.0f);
    const int64_t first = 65536 - n;
    cpu::copy(ElementType::kFloat16, bits.data(), first, n, out.data());
    for (int64_t i = 0; i < n; ++i) {
      const double want = meaning_of_half(bits[static_cast<size_t>(first + i)]);
      const auto got = static_cast<double>(out[static_cast<size_t>(i)]);
      if (std::isnan(want)) {
        EXPECT_TRUE(std::isnan(got));
      } else {
        ASSERT_EQ(got, want) << "half " << first + i;
        ASSERT_EQ(std::signbit(got), std::signbit(want));
      }
    }
  }
}

// Of two neighbours the nearer one, of two equally near ones that with an even last bit.
template <typename Meaning>
void expect_nearest(uint16_t got, double value, const Meaning& meaning) {
  const double distance = std::fabs(meaning(got) - value);
  for (const int step : {-1, 1}) {
    const auto other = static_cast<uint16_t>(got + step);
    const double there = meaning(other);
    if (!std::isfinite(there)) continue;
    const double further = std::fabs(there - value);
    ASSERT_LE(distance, further) << value;
    if (distance == further) {
      ASSERT_EQ(got & 1, 0) << value << " lies between two";
    }
  }
}

TEST(Vector, FloatsNarrowToTheNearestHalf) {
  std::mt19937 engine(3);
  std::uniform_real_distribution<double> exponent(-26.0, 15.9);
  for (const int64_t n : kLengths) {
    std::vector<float> in(static_cast<size_t>(n));
    for (float& x : in) {
      x = static_cast<float>(std::exp2(exponent(engine)) * (engine() % 2 ? 1 : -1));
      // Halfway between two halves.
      if (engine() % 4 == 0)
        x = std::bit_cast<float>((std::bit_cast<uint32_t>(x) & ~0x1fffu) | 0x1000u);
    }
    std::vector<uint16_t> out(in.size());
    cpu::store(ElementType::kFloat16, in.data(), out.data(), 0, n);
    for (size_t i = 0; i < in.size(); ++i) {
      expect_nearest(out[i], static_cast<double>(in[i]), meaning_of_half);
    }
  }
}

TEST(Vector, NarrowingKeepsWhatIsNoNumber) {
  constexpr float kInfinite = std::numeric_limits<float>::infinity();
  std::vector<float> in(40, std::numeric_limits<float>::quiet_NaN());
  in[1] = in[33] = kInfinite;
  in[2] = in[34] = -70000.0f;  // beyond fp16
  std::vector<uint16_t> out(in.size());
  cpu::store(ElementType::kFloat16, in.data(), out.data(), 0, 40);
  EXPECT_TRUE(std::isnan(meaning_of_half(out[0])) && std::isnan(meaning_of_half(out[35])));
  EXPECT_TRUE(out[1] == 0x7c00 && out[33] == 0x7c00);
  EXPECT_TRUE(out[2] == 0xfc00 && out[34] == 0xfc00);
}

TEST(Vector, EveryHalfBecomesTheNearestBfloat) {
  const std::vector<uint16_t> bits = all_patterns();
  for (const int64_t n : kLengths) {
    std::vector<uint16_t> out(static_cast<size_t>(n));
    const uint16_t* const in = bits.data() + (65536 - n);
    cpu::convert(ElementType::kFloat16, in, ElementType::kBFloat16, out.data(), n);
    for (int64_t i = 0; i < n; ++i) {
      const double value = meaning_of_half(in[i]);
      const uint16_t got = out[static_cast<size_t>(i)];
      if (std::isnan(value)) {
        EXPECT_TRUE(std::isnan(meaning_of_bfloat(got)));
      } else if (std::isinf(value)) {
        EXPECT_EQ(meaning_of_bfloat(got), value);
      } else {
        expect_nearest(got, value, meaning_of_bfloat);
      }
    }
  }
}

TEST(Vector, ConversionsAmongTheOtherTypesAreTheirWidenedAndNarrowedValues) {
  std::vector<float> values(2050);
  std::mt19937 engine(5);
  for (float& x : values) x = static_cast<float>(engine() % 4097) / 64.0f - 30.0f;
  const auto n = static_cast<int64_t>(values.size());
  std::vector<uint16_t> half(values.size()), bfloat(values.size());
  std::vector<float> back(values.size());
  cpu::convert(ElementType::kFloat32, values.data(), ElementType::kBFloat16, bfloat.data(), n);
  cpu::convert(ElementType::kBFloat16, bfloat.data(), ElementType::kFloat16, half.data(), n);
  cpu::convert(ElementType::kFloat16, half.data(), ElementType::kFloat32, back.data(), n);
  for (size_t i = 0; i < values.size(); ++i) {
    expect_nearest(bfloat[i], static_cast<double>(values[i]), meaning_of_bfloat);
    // Eight bits of fraction fit into ten at this size.
    ASSERT_EQ(static_cast<double>(back[i]), meaning_of_bfloat(bfloat[i]));
  }
}

}  // namespace
}  // namespace dorabooth::vector_test
