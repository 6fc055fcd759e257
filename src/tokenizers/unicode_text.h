// What the tokenizers need of Unicode, as Rust's tokenizers library sees it: code points, NFC, the
// White_Space property, general categories, and lower case character by character.
#pragma once

#include <string>
#include <string_view>

namespace dorabooth {

// Throws with the offset of the first byte that is not part of valid UTF-8.
std::u32string decode_utf8(std::string_view utf8);
std::string encode_utf8(std::u32string_view text);
// The same text with U+FFFD in place of what is not valid UTF-8.
std::string repair_utf8(const std::string& bytes);

std::u32string compose_nfc(std::u32string_view text);
// Full mapping of each character by itself: U+0130 gives two, a final capital sigma is not special.
std::u32string lower_case(std::u32string_view text);

enum class CharacterKind { kSpace, kLetter, kNumber, kOther };  // \s, \p{L}, \p{N}, all the rest
CharacterKind kind_of(char32_t character);

}  // namespace dorabooth
