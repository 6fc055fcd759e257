// A comparison as one HTML page: pictures are data URIs, nothing is fetched from anywhere. A click
// enlarges a picture; the arrow keys then flip between columns and rows in place. The text is
// well-formed XML as well.
#pragma once

#include <string>
#include <vector>

namespace dorabooth {

struct ComparisonPageCell {
  std::string png;      // the file's bytes; "" leaves the cell blank
  std::string caption;  // under the picture; may be empty
};

struct ComparisonPageRow {
  std::string prompt;
  std::string detail;  // e.g. "seed 0"
  std::vector<ComparisonPageCell> cells;
};

struct ComparisonPage {
  std::string title;
  std::string settings;  // a line under the title; may be empty
  std::vector<std::string> columns;
  std::vector<ComparisonPageRow> rows;
};

// Throws if a row does not have one cell a column.
std::string comparison_page(const ComparisonPage& page);

}  // namespace dorabooth
