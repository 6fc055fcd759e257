// Merging follows Sennrich et al. 2016: the leftmost pair of lowest rank first, until none is left.
#include "src/tokenizers/byte_pairs.h"

#include <nlohmann/json.hpp>
#include <queue>
#include <sstream>

#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/tokenizers/unicode_text.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kEndOfWord = "</w>";
constexpr uint32_t kMaxId = 1u << 24;

// GPT-2's bytes_to_unicode: printable Latin-1 stands for itself, the other bytes for U+0100 on.
std::array<char32_t, 256> byte_characters() {
  std::array<char32_t, 256> characters{};
  char32_t next = 256;
  for (char32_t byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173);
    characters[byte] = printable ? byte : next++;
  }
  return characters;
}

}  // namespace

BytePairs::BytePairs(const fs::path& vocab_json, const fs::path& merges_txt,
                     const std::string& unknown_token) {
  read_vocabulary(vocab_json);
  read_merges(merges_txt);
  const std::array<char32_t, 256> characters = byte_characters();
  const std::optional<int64_t> unknown = find(unknown_token);
  const auto id_or_unknown = [&](const std::string& symbol) {
    const std::optional<int64_t> id = find(symbol);
    if (!id && !unknown) {
      fail(vocab_json.string(), ": neither the byte symbol '", symbol, "' nor the unknown token '",
           unknown_token, "' is in the vocabulary");
    }
    return static_cast<uint32_t>(id ? *id : *unknown);
  };
  for (size_t byte = 0; byte < 256; ++byte) {
    const std::string symbol = encode_utf8({&characters[byte], 1});
    inner_byte_ids_[byte] = id_or_unknown(symbol);
    last_byte_ids_[byte] = id_or_unknown(symbol + std::string(kEndOfWord));
    byte_of_character_[characters[byte]] = static_cast<char>(byte);
  }
}

void BytePairs::read_vocabulary(const fs::path& path) {
  const auto vocabulary = nlohmann::json::parse(read_file(path), nullptr, false);
  if (!vocabulary.is_object()) fail(path.string(), ": a vocabulary is a JSON object {symbol: id}");
  id_of_symbol_.reserve(vocabulary.size());
  for (const auto& [symbol, id] : vocabulary.items()) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() >= kMaxId) {
      fail(path.string(), ": the id of '", symbol, "' must be a whole number below ", kMaxId);
    }
    const uint32_t number = id.get<uint32_t>();
    if (number >= symbol_of_id_.size()) symbol_of_id_.resize(number + 1);
    if (!symbol_of_id_[number].empty()) {
      fail(path.string(), ": '", symbol_of_id_[number], "' and '", symbol, "' share the id ",
           number);
    }
    symbol_of_id_[number] = symbol;
    id_of_symbol_[symbol] = number;
  }
}

void BytePairs::read_merges(const fs::path& path) {
  std::istringstream lines(read_file(path));
  std::string line;
  uint32_t rank = 0;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty() || (number == 1 && line.starts_with("#version"))) continue;
    const size_t space = line.find(' ');
    if (space == line.npos || line.find(' ', space + 1) != line.npos) {
      fail(path.string(), ": line ", number, " is not two symbols with a space between");
    }
    const std::string left = line.substr(0, space);
    const std::string right = line.substr(space + 1);
    const std::optional<int64_t> left_id = find(left), right_id = find(right);
    const std::optional<int64_t> merged_id = find(left + right);
    if (!left_id || !right_id || !merged_id) {
      fail(path.string(), ": line ", number, ": '",
           !left_id    ? left
           : !right_id ? right
                       : left + right,
           "' is not in the vocabulary");
    }
    const uint64_t key = static_cast<uint64_t>(*left_id) << 32 | static_cast<uint64_t>(*right_id);
    merges_[key] = {rank++, static_cast<uint32_t>(*merged_id)};
  }
}

std::optional<int64_t> BytePairs::find(const std::string& symbol) const {
  const auto found = id_of_symbol_.find(symbol);
  if (found == id_of_symbol_.end()) return std::nullopt;
  return found->second;
}

const BytePairs::Merge* BytePairs::find_merge(uint32_t left, uint32_t right) const {
  const auto found = merges_.find(static_cast<uint64_t>(left) << 32 | right);
  return found == merges_.end() ? nullptr : &found->second;
}

void BytePairs::append_ids(std::string_view word, std::vector<int64_t>& ids) const {
  // Symbols in a doubly linked list; a merged symbol swallows its right neighbour.
  struct Symbol {
    uint32_t id;
    size_t previous, next;
    bool alive;
  };
  struct Candidate {
    uint32_t rank;
    size_t position;
    uint32_t id;
    bool operator>(const Candidate& other) const {
      return std::pair(rank, position) > std::pair(other.rank, other.position);
    }
  };
  const size_t end = word.size();
  std::vector<Symbol> symbols;
  symbols.reserve(end);
  for (size_t i = 0; i < end; ++i) {
    const auto byte = static_cast<unsigned char>(word[i]);
    const uint32_t id = i + 1 == end ? last_byte_ids_[byte] : inner_byte_ids_[byte];
    symbols.push_back({id, i == 0 ? end : i - 1, i + 1, true});
  }
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  const auto add_candidate = [&](size_t left) {
    if (left == end || symbols[left].next == end) return;
    if (const Merge* merge = find_merge(symbols[left].id, symbols[symbols[left].next].id)) {
      queue.push({merge->rank, left, merge->id});
    }
  };
  for (size_t i = 0; i < end; ++i) add_candidate(i);
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Symbol& left = symbols[best.position];
    if (!left.alive || left.next == end) continue;
    Symbol& right = symbols[left.next];
    // Either symbol may have been merged into another one since the pair was queued.
    const Merge* merge = find_merge(left.id, right.id);
    if (!merge || merge->id != best.id || merge->rank != best.rank) continue;
    left.id = merge->id;
    left.next = right.next;
    right.alive = false;
    if (left.next != end) symbols[left.next].previous = best.position;
    add_candidate(left.previous);
    add_candidate(best.position);
  }
  for (const Symbol& symbol : symbols) {
    if (symbol.alive) ids.push_back(symbol.id);
  }
}

std::string BytePairs::decode_bytes(const std::vector<int64_t>& ids) const {
  std::string bytes;
  for (const int64_t id : ids) {
    if (id < 0 || id >= size()) fail("token id ", id, " is not in the vocabulary of ", size());
    std::string_view symbol = symbol_of_id_[static_cast<size_t>(id)];
    const bool ends_word = symbol.ends_with(kEndOfWord);
    if (ends_word) symbol.remove_suffix(kEndOfWord.size());
    for (const char32_t character : decode_utf8(symbol)) {
      const auto byte = byte_of_character_.find(character);
      if (byte == byte_of_character_.end()) {
        bytes += encode_utf8({&character, 1});
      } else {
        bytes += byte->second;
      }
    }
    if (ends_word) bytes += ' ';
  }
  return bytes;
}

}  // namespace dorabooth
