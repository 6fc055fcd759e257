// A labelled table of pictures: a heading for each column, a label beside each row.
#pragma once

#include <string>
#include <vector>

#include "src/base/image.h"
#include "src/imagefile/text_drawing.h"

namespace dorabooth {

struct ContactSheetRow {
  std::string label;            // wrapped, e.g. the prompt
  std::string detail;           // a line under it in grey, e.g. "seed 0"; may be empty
  std::vector<Image> pictures;  // one a column; an empty picture leaves its cell blank
};

struct ContactSheet {
  std::string title;  // above everything; may be empty
  std::vector<std::string> columns;
  std::vector<ContactSheetRow> rows;
};

// Cells are as large as the largest picture; the text grows with them. Throws if a row does not
// have one picture a column or the sheet would be larger than a picture may be.
Image contact_sheet(const ContactSheet& sheet, const Font& font);

}  // namespace dorabooth
