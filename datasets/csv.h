// Comma-separated values (RFC 4180): quoted fields may hold commas, doubled quotes and line breaks.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace dorabooth {

struct CsvRecord {
  size_t line = 0;  // where it begins, from 1
  std::vector<std::string> fields;
};

// Empty lines are left out. Throws with the line number for a quote that is not closed or
// misplaced.
std::vector<CsvRecord> parse_csv(std::string_view text);

}  // namespace dorabooth
