// Header parsing by events (no document tree: a header may be 100 MB) and formatting.
// The checks are those of Metadata::validate and its deserializer in huggingface/safetensors.
#include "src/tensorfile/header.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "src/base/error.h"

namespace dorabooth {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr const char* kMetadataKey = "__metadata__";

// Fills a SafetensorsHeader and throws at the first thing that the format does not allow there.
class HeaderEvents final : public nlohmann::json_sax<json> {
 public:
  HeaderEvents(const fs::path& path, SafetensorsHeader& header) : path_(path), header_(header) {}

  bool null() override { refuse("null"); }
  bool boolean(bool) override { refuse("a boolean"); }
  bool number_integer(number_integer_t) override { refuse("a negative number"); }
  bool number_float(number_float_t, const string_t&) override {
    refuse("a number that is not an unsigned 64-bit integer");
  }
  bool binary(binary_t&) override { refuse("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (place_ != Place::kArray) refuse("a number");
    numbers_.push_back(value);
    return true;
  }

  bool string(string_t& value) override {
    if (place_ == Place::kMetadata) {
      header_.metadata[metadata_key_] = std::move(value);
    } else if (place_ == Place::kTensor && field_ == kDTypeField) {
      const std::optional<DType> dtype = find_dtype(value);
      if (!dtype) refuse(concat("the unknown dtype ", quoted_name(value)));
      entry_.dtype = *dtype;
    } else {
      refuse("a string");
    }
    return true;
  }

  bool start_object(size_t) override {
    if (place_ == Place::kDocument) {
      place_ = Place::kTop;
    } else if (place_ == Place::kTop && name_ == kMetadataKey) {
      place_ = Place::kMetadata;
    } else if (place_ == Place::kTop) {
      place_ = Place::kTensor;
      entry_ = TensorEntry{};
      entry_.name = name_;
      seen_fields_ = 0;
    } else {
      refuse("an object");
    }
    return true;
  }

  bool key(string_t& value) override {
    bool is_new = true;
    if (place_ == Place::kTop) {
      is_new = names_.insert(value).second;
      name_ = value;
    } else if (place_ == Place::kMetadata) {
      is_new = header_.metadata.emplace(value, "").second;
      metadata_key_ = value;
    } else {
      field_ = field_of(value);
      is_new = (seen_fields_ & field_) == 0;
      seen_fields_ |= field_;
    }
    if (!is_new) fail(path_.string(), ": the header has the key ", quoted_name(value), " twice");
    return true;
  }

  bool end_object() override {
    if (place_ == Place::kTensor) {
      const unsigned missing = kAllFields & ~seen_fields_;
      if (missing)
        fail(where(), "the field '", field_name(missing & ~(missing - 1)), "' is missing");
      header_.entries.push_back(std::move(entry_));
    }
    place_ = place_ == Place::kTop ? Place::kDocument : Place::kTop;
    return true;
  }

  bool start_array(size_t) override {
    if (place_ != Place::kTensor || field_ == kDTypeField) refuse("an array");
    place_ = Place::kArray;
    numbers_.clear();
    return true;
  }

  bool end_array() override {
    place_ = Place::kTensor;
    if (field_ == kShapeField) {
      for (const uint64_t extent : numbers_) {
        if (extent > std::numeric_limits<int64_t>::max()) {
          fail(where(), "the shape's extent ", extent, " overflows 64 bits");
        }
        entry_.shape.push_back(static_cast<int64_t>(extent));
      }
    } else {
      if (numbers_.size() != 2) {
        fail(where(), "data_offsets needs 2 numbers, not ", numbers_.size());
      }
      entry_.begin = numbers_[0];
      entry_.end = numbers_[1];
    }
    return true;
  }

  bool parse_error(size_t position, const std::string&, const json::exception&) override {
    fail(path_.string(), ": the header is not UTF-8 JSON (at its byte ", position, ")");
  }

 private:
  enum class Place { kDocument, kTop, kMetadata, kTensor, kArray };
  static constexpr unsigned kDTypeField = 1, kShapeField = 2, kOffsetsField = 4, kAllFields = 7;

  static const char* field_name(unsigned field) {
    return field == kDTypeField ? "dtype" : field == kShapeField ? "shape" : "data_offsets";
  }

  unsigned field_of(const std::string& key) const {
    for (const unsigned field : {kDTypeField, kShapeField, kOffsetsField}) {
      if (key == field_name(field)) return field;
    }
    fail(where(), "unknown field ", quoted_name(key),
         "; a tensor has dtype, shape and data_offsets");
  }

  std::string where() const {
    return concat(path_.string(), ": tensor ", quoted_name(name_), ": ");
  }

  [[noreturn]] void refuse(const std::string& got) const {
    switch (place_) {
      case Place::kDocument:
        fail(path_.string(), ": the header must be a JSON object, got ", got);
      case Place::kTop:
        fail(path_.string(), ": header key ", quoted_name(name_), " must be an object, got ", got);
      case Place::kMetadata:
        fail(path_.string(), ": ", kMetadataKey, " key ", quoted_name(metadata_key_),
             " must be a string, got ", got);
      case Place::kTensor:
        fail(where(), "the field '", field_name(field_), "' must be ",
             field_ == kDTypeField ? "a known dtype's name" : "an array of unsigned integers",
             ", got ", got);
      case Place::kArray:
        fail(where(), "'", field_name(field_), "' must hold unsigned 64-bit integers, got ", got);
    }
    fail(path_.string(), ": the header is malformed");
  }

  const fs::path& path_;
  SafetensorsHeader& header_;
  Place place_ = Place::kDocument;
  std::unordered_set<std::string> names_;
  std::string name_, metadata_key_;
  unsigned field_ = 0, seen_fields_ = 0;
  TensorEntry entry_;
  std::vector<uint64_t> numbers_;
};

void check_layout(std::vector<TensorEntry>& entries, uint64_t data_bytes, const fs::path& path) {
  std::stable_sort(entries.begin(), entries.end(), [](const TensorEntry& a, const TensorEntry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  uint64_t expected_begin = 0;
  for (const TensorEntry& entry : entries) {
    const std::string where = concat(path.string(), ": tensor ", quoted_name(entry.name), ": ");
    if (entry.end < entry.begin) {
      fail(where, "its data ends at ", entry.end, ", before its begin ", entry.begin);
    }
    if (entry.begin != expected_begin) {
      fail(where, "its data begins at ", entry.begin, ", but the data before it ends at ",
           expected_begin, " (no hole and no overlap is allowed)");
    }
    const uint64_t want = packed_bytes(entry, path);
    if (entry.bytes() != want) {
      fail(where, dtype_name(entry.dtype), " ",
           shape_text({entry.shape.begin(), entry.shape.end()}), " takes ", want,
           " bytes, but data_offsets give it ", entry.bytes());
    }
    expected_begin = entry.end;
  }
  if (expected_begin != data_bytes) {
    fail(path.string(), ": the tensors take ", expected_begin, " bytes, but ", data_bytes,
         " bytes follow the header (",
         expected_begin > data_bytes ? "the file is cut short" : "trailing bytes are not allowed",
         ")");
  }
}

std::string json_string(const std::string& text, const fs::path& path) {
  try {
    return json(text).dump();
  } catch (const json::exception&) {
    fail(path.string(), ": ", quoted_name(text),
         " is not UTF-8 and cannot be written in the header");
  }
}

}  // namespace

std::string quoted_name(std::string_view name) {
  constexpr size_t kShown = 120;
  std::string text(name.substr(0, kShown));
  if (name.size() > kShown) text += "...";
  text = json(text).dump(-1, ' ', true, json::error_handler_t::replace);
  return "'" + text.substr(1, text.size() - 2) + "'";
}

uint64_t packed_bytes(const TensorEntry& entry, const fs::path& path) {
  uint64_t bits = 0;
  uint64_t count = 1;
  bool overflows = false;
  for (const int64_t extent : entry.shape) {
    if (extent < 0) {
      fail(path.string(), ": tensor ", quoted_name(entry.name), ": negative extent ", extent);
    }
    overflows |= __builtin_mul_overflow(count, static_cast<uint64_t>(extent), &count);
  }
  overflows |= count > static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  overflows |= __builtin_mul_overflow(count, static_cast<uint64_t>(dtype_bits(entry.dtype)), &bits);
  if (overflows) {
    fail(path.string(), ": tensor ", quoted_name(entry.name), ": its size overflows 64 bits");
  }
  if (bits % 8 != 0) {
    fail(path.string(), ": tensor ", quoted_name(entry.name), ": ", count, " values of ",
         dtype_name(entry.dtype), " do not fill whole bytes");
  }
  return bits / 8;
}

SafetensorsHeader parse_header(std::string_view text, uint64_t data_bytes, const fs::path& path) {
  if (text.empty() || text.front() != '{') {
    fail(path.string(), ": the header must start with '{'");
  }
  // The JSON lexer takes a zero byte for the end of its input and would not see what follows.
  if (const size_t zero = text.find('\0'); zero != text.npos) {
    fail(path.string(), ": the header is not UTF-8 JSON (zero at its byte ", zero, ")");
  }
  SafetensorsHeader header;
  HeaderEvents events(path, header);
  json::sax_parse(text.begin(), text.end(), &events);
  check_layout(header.entries, data_bytes, path);
  return header;
}

std::string format_header(std::vector<TensorEntry>& tensors,
                          const std::map<std::string, std::string>& metadata,
                          const fs::path& path) {
  std::sort(tensors.begin(), tensors.end(), [](const TensorEntry& a, const TensorEntry& b) {
    const int order_a = dtype_order(a.dtype), order_b = dtype_order(b.dtype);
    return order_a != order_b ? order_a > order_b : a.name < b.name;
  });
  std::string text = "{";
  const auto add = [&](const std::string& key) {
    if (text.size() > 1) text += ",";
    text += json_string(key, path) + ":";
  };
  if (!metadata.empty()) {
    add(kMetadataKey);
    char separator = '{';
    for (const auto& [key, value] : metadata) {
      text += separator + json_string(key, path) + ":" + json_string(value, path);
      separator = ',';
    }
    text += "}";
  }
  uint64_t offset = 0;
  std::unordered_set<std::string_view> names;
  for (TensorEntry& tensor : tensors) {
    if (tensor.name == kMetadataKey || !names.insert(tensor.name).second) {
      fail(path.string(), ": tensor ", quoted_name(tensor.name),
           tensor.name == kMetadataKey ? " has a reserved name" : " is given twice");
    }
    tensor.begin = offset;
    if (__builtin_add_overflow(offset, packed_bytes(tensor, path), &offset)) {
      fail(path.string(), ": the tensors' sizes overflow 64 bits");
    }
    tensor.end = offset;
    add(tensor.name);
    text += concat("{\"dtype\":\"", dtype_name(tensor.dtype),
                   "\",\"shape\":", shape_text({tensor.shape.begin(), tensor.shape.end()}),
                   ",\"data_offsets\":[", tensor.begin, ",", tensor.end, "]}");
  }
  text += "}";
  text.resize((text.size() + 7) / 8 * 8, ' ');
  if (text.size() > kMaxHeaderBytes) {
    fail(path.string(), ": the header would take ", text.size(), " bytes, the format allows ",
         kMaxHeaderBytes);
  }
  return text;
}

}  // namespace dorabooth
