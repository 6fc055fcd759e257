// UTF-8 read one code point after another.
#pragma once

#include <cstddef>
#include <string_view>

namespace dorabooth {

// Length of the valid sequence at `position` and its code point; 0 if there is none.
size_t utf8_sequence(std::string_view utf8, size_t position, char32_t& code_point);

// The code point at `position`, which moves past it; U+FFFD for one byte that is not UTF-8.
char32_t next_code_point(std::string_view utf8, size_t& position);

}  // namespace dorabooth
