// A comparison as one file: a contact sheet (PNG) or a page (HTML) that needs no other file.
#pragma once

#include <string>
#include <vector>

#include "src/imagefile/image_file.h"

namespace dorabooth {

struct SheetCell {
  std::string picture;  // a PNG file; "": not drawn
  std::string caption;  // e.g. "strength 0.5"; on the page only
};

struct SheetRow {
  std::string prompt;
  std::string detail;            // e.g. "seed 0"
  std::vector<SheetCell> cells;  // one a column
};

struct ComparisonSheet {
  std::string title;     // on the page only
  std::string settings;  // what all pictures share; on the page only
  std::vector<std::string> columns;
  std::vector<SheetRow> rows;
};

// Throws unless `path` ends in .png or .html.
void check_sheet_name(const std::string& path);

// By the ending of `path`; `text` goes into the PNG's text chunks.
void write_comparison_sheet(const ComparisonSheet& sheet, const std::string& path,
                            const PngText& text = {});

}  // namespace dorabooth
