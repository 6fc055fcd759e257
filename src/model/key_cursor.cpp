// Parsing of dotted keys without regular expressions: a checkpoint has thousands.
#include "src/model/key_cursor.h"

namespace dorabooth {

bool KeyCursor::number(int64_t limit, int64_t& value) {
  constexpr size_t kMaxDigits = 4;
  const size_t digits = rest_.find_first_not_of("0123456789");
  if (digits == 0 || digits > kMaxDigits || rest_[digits] != '.') return false;
  if (rest_[0] == '0' && digits > 1) return false;
  int64_t parsed = 0;
  for (const char digit : rest_.substr(0, digits)) parsed = parsed * 10 + (digit - '0');
  if (parsed >= limit) return false;
  rest_.remove_prefix(digits + 1);
  value = parsed;
  return true;
}

std::optional<std::string> exchange(std::span<const KeyPair> pairs, KeyDirection direction,
                                    std::string_view key) {
  for (const KeyPair& pair : pairs) {
    const bool to_single = direction == KeyDirection::kToSingle;
    const std::string_view from = to_single ? pair.diffusers : pair.single;
    const std::string_view to = to_single ? pair.single : pair.diffusers;
    const bool matches = from.ends_with('.') ? key.starts_with(from) : key == from;
    if (matches) return std::string(to).append(key.substr(from.size()));
  }
  return std::nullopt;
}

}  // namespace dorabooth
