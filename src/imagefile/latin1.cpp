// Decoding of UTF-8 (RFC 3629: no overlong forms, no surrogates) and conversion from and to
// Latin-1.
#include "src/imagefile/latin1.h"

namespace dorabooth {

namespace {

constexpr char32_t kReplacement = 0xfffd;

// Length of the valid sequence at `position` and its code point; 0 if there is none.
size_t decode(std::string_view utf8, size_t position, char32_t& code_point) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(utf8[position + i]); };
  const unsigned char first = byte(0);
  const size_t length = first < 0x80                     ? 1
                        : first >= 0xc2 && first <= 0xdf ? 2
                        : first >= 0xe0 && first <= 0xef ? 3
                        : first >= 0xf0 && first <= 0xf4 ? 4
                                                         : 0;
  if (length == 0 || utf8.size() - position < length) return 0;
  code_point = length == 1 ? first : static_cast<char32_t>(first & (0x7f >> length));
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    code_point = (code_point << 6) | (byte(i) & 0x3fu);
  }
  const bool overlong =
      (length == 3 && code_point < 0x800) || (length == 4 && code_point < 0x10000);
  const bool surrogate = code_point >= 0xd800 && code_point <= 0xdfff;
  return overlong || surrogate || code_point > 0x10ffff ? 0 : length;
}

}  // namespace

bool is_utf8(std::string_view text) {
  char32_t code_point = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t length = decode(text, at, code_point);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

std::string utf8_from_latin1(std::string_view latin1) {
  std::string utf8;
  for (const char c : latin1) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      utf8 += c;
    } else {
      utf8 += static_cast<char>(0xc0 | (byte >> 6));
      utf8 += static_cast<char>(0x80 | (byte & 0x3f));
    }
  }
  return utf8;
}

bool latin1_from_utf8(std::string_view utf8, std::string& latin1) {
  latin1.clear();
  char32_t code_point = 0;
  for (size_t at = 0; at < utf8.size();) {
    const size_t length = decode(utf8, at, code_point);
    if (length == 0 || code_point > 0xff) return false;
    latin1 += static_cast<char>(static_cast<unsigned char>(code_point));
    at += length;
  }
  return true;
}

char32_t next_code_point(std::string_view utf8, size_t& position) {
  char32_t code_point = kReplacement;
  const size_t length = decode(utf8, position, code_point);
  position += length == 0 ? 1 : length;
  return length == 0 ? kReplacement : code_point;
}

}  // namespace dorabooth
