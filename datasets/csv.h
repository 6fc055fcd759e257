// Comma-separated values (RFC 4180): quoted fields may hold commas, doubled quotes and line breaks.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace dorabooth {

struct CsvRecord {
  size_t line = 0;   // where it begins, from 1
  size_t begin = 0;  // its bytes in the text, without the line's end
  size_t end = 0;
  std::vector<std::string> fields;
};

// Empty lines are left out. Throws with the line number for a quote that is not closed or
// misplaced.
std::vector<CsvRecord> parse_csv(std::string_view text);

// The fields as parse_csv reads them; quoted where they have to be.
std::string csv_line(const std::vector<std::string>& fields);

}  // namespace dorabooth
