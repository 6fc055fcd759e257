#include "src/imagefile/latin1.h"

#include "src/base/utf8.h"

namespace dorabooth {

bool is_utf8(std::string_view text) {
  char32_t code_point = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t length = utf8_sequence(text, at, code_point);
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
    const size_t length = utf8_sequence(utf8, at, code_point);
    if (length == 0 || code_point > 0xff) return false;
    latin1 += static_cast<char>(static_cast<unsigned char>(code_point));
    at += length;
  }
  return true;
}

}  // namespace dorabooth
