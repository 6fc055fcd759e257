// Lays out a contact sheet: margins and text sizes follow from the largest picture.
#include "src/imagefile/contact_sheet.h"

#include <algorithm>

#include "src/base/error.h"

namespace dorabooth {

namespace {

constexpr Rgb kFaintInk{110, 110, 110};
constexpr size_t kHeadingLines = 2;

struct Layout {
  int cell_width = 0;
  int cell_height = 0;
  int gap = 0;
  int label_width = 0;
  int top = 0;  // of the first row
  float text_pixels = 0;
  int line = 0;
  std::vector<std::string> title_lines;

  int column_left(size_t column) const {
    return gap + label_width + gap + static_cast<int>(column) * (cell_width + gap);
  }
  int row_top(size_t row) const { return top + static_cast<int>(row) * (cell_height + gap); }
};

void check_shape(const ContactSheet& sheet) {
  if (sheet.columns.empty() || sheet.rows.empty()) {
    fail("a contact sheet of ", sheet.rows.size(), " rows and ", sheet.columns.size(),
         " columns: want at least one of each");
  }
  for (size_t row = 0; row < sheet.rows.size(); ++row) {
    if (sheet.rows[row].pictures.size() != sheet.columns.size()) {
      fail("contact sheet row ", row, " has ", sheet.rows[row].pictures.size(), " pictures, want ",
           sheet.columns.size(), ", one a column");
    }
  }
}

Layout lay_out(const ContactSheet& sheet, const Font& font) {
  Layout layout;
  for (const ContactSheetRow& row : sheet.rows) {
    for (const Image& picture : row.pictures) {
      layout.cell_width = std::max(layout.cell_width, picture.width);
      layout.cell_height = std::max(layout.cell_height, picture.height);
    }
  }
  if (layout.cell_width == 0) fail("a contact sheet needs at least one picture");
  layout.text_pixels = std::clamp(
      static_cast<float>(std::min(layout.cell_width, layout.cell_height)) / 8, 16.0f, 40.0f);
  layout.line = font.line_height(layout.text_pixels);
  layout.gap = layout.line / 2;
  layout.label_width = layout.line * 9;
  const int width = layout.column_left(sheet.columns.size());
  layout.title_lines = font.wrap(sheet.title, layout.text_pixels, width - 2 * layout.gap, 4);
  size_t heading_lines = 1;
  for (const std::string& heading : sheet.columns) {
    const size_t lines =
        font.wrap(heading, layout.text_pixels, layout.cell_width, kHeadingLines).size();
    heading_lines = std::max(heading_lines, lines);
  }
  layout.top = layout.gap +
               static_cast<int>(layout.title_lines.size() + heading_lines) * layout.line +
               (layout.title_lines.empty() ? 0 : layout.gap) + layout.gap;
  const int64_t height =
      layout.top + static_cast<int64_t>(sheet.rows.size()) * (layout.cell_height + layout.gap);
  if (width > 4 * kMaxPictureSide || height > 4 * kMaxPictureSide ||
      width * height > kMaxPicturePixels) {
    fail("a contact sheet of ", sheet.rows.size(), " rows and ", sheet.columns.size(),
         " columns would have ", width, "x", height, " pixels; at most ",
         kMaxPicturePixels / 1'000'000, " megapixels are drawn");
  }
  return layout;
}

void draw_headings(Image& image, const ContactSheet& sheet, const Layout& layout,
                   const Font& font) {
  int top = layout.gap;
  for (const std::string& line : layout.title_lines) {
    font.draw(image, layout.gap, top, line, layout.text_pixels, kSheetInk);
    top += layout.line;
  }
  for (size_t column = 0; column < sheet.columns.size(); ++column) {
    const std::vector<std::string> lines =
        font.wrap(sheet.columns[column], layout.text_pixels, layout.cell_width, kHeadingLines);
    int line_top = layout.top - layout.gap - static_cast<int>(lines.size()) * layout.line;
    for (const std::string& line : lines) {
      const int indent = (layout.cell_width - font.text_width(line, layout.text_pixels)) / 2;
      font.draw(image, layout.column_left(column) + indent, line_top, line, layout.text_pixels,
                kSheetInk);
      line_top += layout.line;
    }
  }
}

// Label and detail stand in the middle of the row's height.
void draw_label(Image& image, const ContactSheetRow& row, int row_top, const Layout& layout,
                const Font& font) {
  const int detail_lines = row.detail.empty() ? 0 : 1;
  const int lines_that_fit = std::max(1, layout.cell_height / layout.line - detail_lines);
  const std::vector<std::string> lines = font.wrap(
      row.label, layout.text_pixels, layout.label_width, static_cast<size_t>(lines_that_fit));
  const int text_height = (static_cast<int>(lines.size()) + detail_lines) * layout.line;
  int top = row_top + std::max(0, (layout.cell_height - text_height) / 2);
  for (const std::string& line : lines) {
    font.draw(image, layout.gap, top, line, layout.text_pixels, kSheetInk);
    top += layout.line;
  }
  for (const std::string& line : font.wrap(row.detail, layout.text_pixels, layout.label_width, 1)) {
    font.draw(image, layout.gap, top, line, layout.text_pixels, kFaintInk);
  }
}

}  // namespace

Image contact_sheet(const ContactSheet& sheet, const Font& font) {
  check_shape(sheet);
  const Layout layout = lay_out(sheet, font);
  Image image(layout.column_left(sheet.columns.size()), layout.row_top(sheet.rows.size()),
              kSheetPaper);
  draw_headings(image, sheet, layout, font);
  for (size_t row = 0; row < sheet.rows.size(); ++row) {
    draw_label(image, sheet.rows[row], layout.row_top(row), layout, font);
    for (size_t column = 0; column < sheet.columns.size(); ++column) {
      const Image& picture = sheet.rows[row].pictures[column];
      if (picture.empty()) continue;
      paste(image, picture, layout.column_left(column) + (layout.cell_width - picture.width) / 2,
            layout.row_top(row) + (layout.cell_height - picture.height) / 2);
    }
  }
  return image;
}

}  // namespace dorabooth
