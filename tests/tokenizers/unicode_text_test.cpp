// Unicode facts that prompts depend on (Unicode 15; SpecialCasing.txt, PropList.txt).
#include <gtest/gtest.h>

#include "src/tokenizers/unicode_text.h"

namespace dorabooth::unicode_text_test {
namespace {

TEST(UnicodeText, Utf8RoundTrip) {
  const std::u32string text = {0,     0x41,   0x7F,   0x80,    0x7FF,
                               0x800, 0xFFFD, 0xFFFF, 0x10000, 0x10FFFF};
  EXPECT_EQ(decode_utf8(encode_utf8(text)), text);
}

TEST(UnicodeText, WhiteSpaceIsThePropertyAndNothingElse) {
  std::u32string spaces;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (kind_of(c) == CharacterKind::kSpace) spaces += c;
  }
  std::u32string want = {0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x20, 0x85, 0xA0, 0x1680};
  for (char32_t c = 0x2000; c <= 0x200A; ++c) want += c;
  want += {0x2028, 0x2029, 0x202F, 0x205F, 0x3000};
  EXPECT_EQ(spaces, want);
}

TEST(UnicodeText, MarksAreNeitherLettersNorNumbers) {
  EXPECT_EQ(kind_of(0x0301), CharacterKind::kOther);
  EXPECT_EQ(kind_of(0x5B57), CharacterKind::kLetter);
  EXPECT_EQ(kind_of(0x02B0), CharacterKind::kLetter);
  EXPECT_EQ(kind_of(0x2167), CharacterKind::kNumber);
  EXPECT_EQ(kind_of(0x00BD), CharacterKind::kNumber);
  EXPECT_EQ(kind_of(0x1F600), CharacterKind::kOther);
}

TEST(UnicodeText, LowerCaseLooksAtEachCharacterAlone) {
  EXPECT_EQ(lower_case(std::u32string{0x130}), (std::u32string{'i', 0x307}));
  EXPECT_EQ(lower_case(std::u32string{0x39F, 0x3A3}), (std::u32string{0x3BF, 0x3C3}));
  EXPECT_EQ(lower_case(std::u32string{0x1E9E, 0x10400}), (std::u32string{0xDF, 0x10428}));
}

TEST(UnicodeText, ComposesCanonicallyOnly) {
  EXPECT_EQ(compose_nfc(std::u32string{'e', 0x301}), (std::u32string{0xE9}));
  EXPECT_EQ(compose_nfc(std::u32string{0x1100, 0x1161}), (std::u32string{0xAC00}));
  EXPECT_EQ(compose_nfc(std::u32string{0xFB01}), (std::u32string{0xFB01}));
}

}  // namespace
}  // namespace dorabooth::unicode_text_test
