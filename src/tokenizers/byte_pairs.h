// Byte-pair encoding with GPT-2's byte symbols and an end-of-word mark (CLIP's model).
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace dorabooth {

class BytePairs {
 public:
  // vocab.json: {symbol: id}; merges.txt: "left right" a line, best first, after a #version line.
  BytePairs(const std::filesystem::path& vocab_json, const std::filesystem::path& merges_txt,
            const std::string& unknown_token);

  // The ids of one word, given by its UTF-8 bytes.
  void append_ids(std::string_view word, std::vector<int64_t>& ids) const;
  std::optional<int64_t> find(const std::string& symbol) const;
  int64_t size() const { return static_cast<int64_t>(symbol_of_id_.size()); }
  // Bytes of the ids' symbols with a space for each end of a word; may be cut inside a character.
  std::string decode_bytes(const std::vector<int64_t>& ids) const;

 private:
  struct Merge {
    uint32_t rank;  // lower merges first
    uint32_t id;
  };

  void read_vocabulary(const std::filesystem::path& path);
  void read_merges(const std::filesystem::path& path);
  const Merge* find_merge(uint32_t left, uint32_t right) const;

  std::unordered_map<std::string, uint32_t> id_of_symbol_;
  std::vector<std::string> symbol_of_id_;
  std::unordered_map<uint64_t, Merge> merges_;  // key: left id << 32 | right id
  std::array<uint32_t, 256> inner_byte_ids_{};
  std::array<uint32_t, 256> last_byte_ids_{};  // with the end-of-word mark
  std::unordered_map<char32_t, char> byte_of_character_;
};

}  // namespace dorabooth
