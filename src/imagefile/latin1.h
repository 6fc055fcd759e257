// Latin-1 and UTF-8: PNG keeps keywords and tEXt values in Latin-1.
#pragma once

#include <string>
#include <string_view>

namespace dorabooth {

bool is_utf8(std::string_view text);
std::string utf8_from_latin1(std::string_view latin1);
// False if `utf8` is not UTF-8 or has a character that Latin-1 lacks.
bool latin1_from_utf8(std::string_view utf8, std::string& latin1);

}  // namespace dorabooth
