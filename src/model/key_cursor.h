// Reads a dotted key from its front and rewrites the ends of keys by tables of pairs.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace dorabooth {

class KeyCursor {
 public:
  explicit KeyCursor(std::string_view text) : rest_(text) {}

  // Consumes `word` if the rest starts with it.
  bool take(std::string_view word) {
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }

  // Consumes a number below `limit` (written without leading zeros) and the dot behind it.
  bool number(int64_t limit, int64_t& value);

  std::string_view rest() const { return rest_; }
  bool at_end() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

// One name in both layouts; both end in a dot where something may follow.
struct KeyPair {
  std::string_view diffusers;
  std::string_view single;
};

enum class KeyDirection { kToSingle, kToDiffusers };

// `key` with the first pair that opens it exchanged; nothing if no pair does.
std::optional<std::string> exchange(std::span<const KeyPair> pairs, KeyDirection direction,
                                    std::string_view key);

}  // namespace dorabooth
