// RFC 3629: no overlong forms, no surrogates.
#include "src/base/utf8.h"

namespace dorabooth {

size_t utf8_sequence(std::string_view utf8, size_t position, char32_t& code_point) {
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

char32_t next_code_point(std::string_view utf8, size_t& position) {
  constexpr char32_t kReplacement = 0xfffd;
  char32_t code_point = kReplacement;
  const size_t length = utf8_sequence(utf8, position, code_point);
  position += length == 0 ? 1 : length;
  return length == 0 ? kReplacement : code_point;
}

}  // namespace dorabooth
