// Each file is read, changed in one place and written anew atomically.
#include "datasets/caption_edit.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "datasets/caption_table.h"
#include "datasets/csv.h"
#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/imagefile/latin1.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
constexpr const char* kBlank = " \t\r\n";

bool is_blank(std::string_view text) { return text.find_first_not_of(kBlank) == text.npos; }

bool names_picture(const std::string& file_name, const std::string& name) {
  return fs::path(file_name).lexically_normal().generic_string() == name;
}

// The whole text with the row's caption replaced; keys keep their order.
std::string edited_jsonl(const std::string& text, const std::string& name,
                         const std::string& column, const std::string& caption) {
  size_t begin = text.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  while (begin < text.size()) {
    const size_t line_end = std::min(text.find('\n', begin), text.size());
    const size_t end = line_end > begin && text[line_end - 1] == '\r' ? line_end - 1 : line_end;
    const std::string line = text.substr(begin, end - begin);
    if (!is_blank(line)) {
      nlohmann::ordered_json row = nlohmann::ordered_json::parse(line);
      if (names_picture(row.at("file_name").get<std::string>(), name)) {
        row[column] = caption;
        return text.substr(0, begin) + row.dump() + text.substr(end);
      }
    }
    begin = line_end + 1;
  }
  fail("no line for ", name);
}

std::string edited_csv(const std::string& text, const std::string& name, const std::string& column,
                       const std::string& caption) {
  const size_t start = text.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  const std::string body = text.substr(start);
  std::vector<CsvRecord> records = parse_csv(body);
  const auto index_of = [&](const std::string& heading) {
    const auto& names = records.at(0).fields;
    return static_cast<size_t>(std::find(names.begin(), names.end(), heading) - names.begin());
  };
  const size_t file_column = index_of("file_name");
  const size_t caption_column = index_of(column);
  for (size_t i = 1; i < records.size(); ++i) {
    CsvRecord& record = records[i];
    if (!names_picture(record.fields.at(file_column), name)) continue;
    record.fields.at(caption_column) = caption;
    return text.substr(0, start) + body.substr(0, record.begin) + csv_line(record.fields) +
           body.substr(record.end);
  }
  fail("no line for ", name);
}

void save_in_table(const ImageFolderRequest& request, const std::string& name,
                   const std::string& caption) {
  const std::optional<CaptionTable> table =
      read_caption_table(request.folder, request.caption_column);
  if (!table || !table->column) fail(request.folder.string(), ": the captions' table is gone");
  const std::string where = table->path.string();
  if (is_blank(caption)) fail(where, ": the caption of ", name, " cannot be empty");
  const std::string text = read_file(table->path);
  try {
    write_file_atomically(table->path, table->path.extension() == ".csv"
                                           ? edited_csv(text, name, *table->column, caption)
                                           : edited_jsonl(text, name, *table->column, caption));
  } catch (const nlohmann::json::exception& error) {
    fail(where, ": ", error.what());
  }
}

void save_in_file(const fs::path& path, const std::string& caption) {
  std::string rest;  // from the first line's end on
  if (fs::exists(path)) {
    const std::string text = read_file(path);
    size_t end = std::min(text.find('\n'), text.size());
    if (end > 0 && end < text.size() && text[end - 1] == '\r') --end;
    rest = text.substr(end);
  }
  if (!is_blank(caption)) {
    write_file_atomically(path, caption + (rest.empty() ? "\n" : rest));
    return;
  }
  if (!is_blank(rest)) fail(path.string(), " has other lines: its caption cannot be empty");
  std::error_code error;
  fs::remove(path, error);
  if (error) fail("cannot remove ", path.string(), ": ", error.message());
}

}  // namespace

void save_caption(const ImageFolderRequest& request, const ListedPicture& picture,
                  const std::string& text) {
  const std::string where = picture.path.string();
  if (!is_utf8(text)) fail(where, ": the caption is not UTF-8");
  if (picture.table_caption) return save_in_table(request, picture.name, text);
  if (text.find_first_of("\r\n") != std::string::npos)
    fail(where, ": a caption file holds one line, this caption has several");
  const std::vector<fs::path> present = caption_files_of(picture.path);
  for (const fs::path& file : present) save_in_file(file, text);
  if (present.empty() && !is_blank(text))
    save_in_file(fs::path(picture.path).replace_extension(".txt"), text);
}

}  // namespace dorabooth
