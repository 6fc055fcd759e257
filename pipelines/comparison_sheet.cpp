// Reads the pictures back from their files.
#include "pipelines/comparison_sheet.h"

#include <filesystem>

#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/imagefile/comparison_page.h"
#include "src/imagefile/contact_sheet.h"
#include "src/model/assets.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

Image sheet_image(const ComparisonSheet& sheet) {
  ContactSheet drawn;
  drawn.columns = sheet.columns;
  for (const SheetRow& row : sheet.rows) {
    ContactSheetRow& to = drawn.rows.emplace_back();
    to.label = row.prompt;
    to.detail = row.detail;
    for (const SheetCell& cell : row.cells)
      to.pictures.push_back(cell.picture.empty() ? Image() : read_picture(cell.picture).image);
  }
  return contact_sheet(drawn, Font(asset_path("fonts/DejaVuSans.ttf")));
}

std::string page_text(const ComparisonSheet& sheet) {
  ComparisonPage page;
  page.title = sheet.title;
  page.settings = sheet.settings;
  page.columns = sheet.columns;
  for (const SheetRow& row : sheet.rows) {
    ComparisonPageRow& to = page.rows.emplace_back();
    to.prompt = row.prompt;
    to.detail = row.detail;
    for (const SheetCell& cell : row.cells) {
      to.cells.push_back(
          {cell.picture.empty() ? std::string() : read_file(cell.picture), cell.caption});
    }
  }
  return comparison_page(page);
}

}  // namespace

void check_sheet_name(const std::string& path) {
  const fs::path name = path;
  const bool known = name.extension() == ".png" || name.extension() == ".html";
  if (!known || name.stem().empty())
    throw UsageError(concat("--output: want a name that ends in .png or .html, got '", path, "'"));
}

void write_comparison_sheet(const ComparisonSheet& sheet, const std::string& path,
                            const PngText& text) {
  check_sheet_name(path);
  if (fs::path(path).extension() == ".png") return write_png(path, sheet_image(sheet), text);
  if (const fs::path folder = fs::path(path).parent_path(); !folder.empty())
    fs::create_directories(folder);
  write_file_atomically(path, page_text(sheet));
}

}  // namespace dorabooth
