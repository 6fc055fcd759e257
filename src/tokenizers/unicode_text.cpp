// Unicode data comes from ICU.
#include "src/tokenizers/unicode_text.h"

#include <unicode/locid.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/utf8.h>

#include "src/base/error.h"

namespace dorabooth {

namespace {

constexpr size_t kMaxTextBytes = size_t{1} << 26;  // ICU counts in 32 bits

icu::UnicodeString to_icu(std::u32string_view text) {
  return icu::UnicodeString::fromUTF32(reinterpret_cast<const UChar32*>(text.data()),
                                       static_cast<int32_t>(text.size()));
}

void append_icu(const icu::UnicodeString& source, std::u32string& text) {
  for (int32_t i = 0; i < source.length(); i = source.moveIndex32(i, 1)) {
    text += static_cast<char32_t>(source.char32At(i));
  }
}

}  // namespace

std::u32string decode_utf8(std::string_view utf8) {
  if (utf8.size() > kMaxTextBytes) {
    fail("the text has ", utf8.size(), " bytes, at most ", kMaxTextBytes, " can be tokenized");
  }
  std::u32string text;
  text.reserve(utf8.size());
  const auto* bytes = reinterpret_cast<const uint8_t*>(utf8.data());
  const int32_t size = static_cast<int32_t>(utf8.size());
  for (int32_t i = 0; i < size;) {
    const int32_t start = i;
    UChar32 character = 0;
    U8_NEXT(bytes, i, size, character);
    if (character < 0) fail("the text is not valid UTF-8 at byte ", start);
    text += static_cast<char32_t>(character);
  }
  return text;
}

std::string encode_utf8(std::u32string_view text) {
  std::string utf8;
  to_icu(text).toUTF8String(utf8);
  return utf8;
}

std::string repair_utf8(const std::string& bytes) {
  std::string utf8;
  icu::UnicodeString::fromUTF8(bytes).toUTF8String(utf8);
  return utf8;
}

std::u32string compose_nfc(std::u32string_view text) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* nfc = icu::Normalizer2::getNFCInstance(status);
  const icu::UnicodeString composed =
      U_SUCCESS(status) ? nfc->normalize(to_icu(text), status) : icu::UnicodeString();
  if (U_FAILURE(status)) fail("ICU cannot compose text: ", u_errorName(status));
  std::u32string result;
  append_icu(composed, result);
  return result;
}

std::u32string lower_case(std::u32string_view text) {
  std::u32string result;
  result.reserve(text.size());
  for (const char32_t character : text) {
    if (character < 0x80) {
      result += character >= U'A' && character <= U'Z' ? character + 32 : character;
    } else {
      icu::UnicodeString one(static_cast<UChar32>(character));
      append_icu(one.toLower(icu::Locale::getRoot()), result);
    }
  }
  return result;
}

CharacterKind kind_of(char32_t character) {
  const UChar32 code = static_cast<UChar32>(character);
  if (u_isUWhiteSpace(code)) return CharacterKind::kSpace;
  const uint32_t category = U_GET_GC_MASK(code);
  if (category & U_GC_L_MASK) return CharacterKind::kLetter;
  if (category & U_GC_N_MASK) return CharacterKind::kNumber;
  return CharacterKind::kOther;
}

}  // namespace dorabooth
