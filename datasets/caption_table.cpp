// Reads both forms into rows of fields, then picks the caption column and checks every row.
#include "datasets/caption_table.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "datasets/csv.h"
#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/imagefile/latin1.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

using nlohmann::json;

constexpr const char* kFileName = "file_name";

struct FieldRow {
  size_t line = 0;
  json fields;  // an object
};

std::string read_text(const fs::path& path) {
  std::string text = read_file(path);
  if (text.starts_with("\xef\xbb\xbf")) text.erase(0, 3);
  if (!is_utf8(text)) fail(path.string(), ": the text is not UTF-8");
  return text;
}

std::vector<FieldRow> jsonl_rows(const fs::path& path) {
  const std::string text = read_text(path);
  std::vector<FieldRow> rows;
  size_t line_number = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    ++line_number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    FieldRow row{line_number, json::parse(line, nullptr, false)};
    if (!row.fields.is_object()) fail(path.string(), " line ", line_number, ": want a JSON object");
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<FieldRow> csv_rows(const fs::path& path) {
  std::vector<CsvRecord> records;
  try {
    records = parse_csv(read_text(path));
  } catch (const Error& error) {
    fail(path.string(), " ", error.what());
  }
  std::vector<FieldRow> rows;
  for (size_t i = 1; i < records.size(); ++i) {
    const std::vector<std::string>& names = records[0].fields;
    const std::vector<std::string>& values = records[i].fields;
    if (values.size() != names.size()) {
      fail(path.string(), " line ", records[i].line, ": ", values.size(), " fields, want ",
           names.size(), " as in the first line");
    }
    FieldRow row{records[i].line, json::object()};
    for (size_t column = 0; column < names.size(); ++column)
      row.fields[names[column]] = values[column];
    rows.push_back(std::move(row));
  }
  return rows;
}

bool has_column(const std::vector<FieldRow>& rows, const std::string& column) {
  return std::any_of(rows.begin(), rows.end(),
                     [&](const FieldRow& row) { return row.fields.contains(column); });
}

std::optional<std::string> pick_column(const std::vector<FieldRow>& rows, const fs::path& path,
                                       const std::optional<std::string>& wanted) {
  if (!wanted) {
    for (const char* name : {"text", "prompt", "caption"}) {
      if (has_column(rows, name)) return name;
    }
    return std::nullopt;
  }
  if (has_column(rows, *wanted)) return wanted;
  std::vector<std::string> known;
  for (const FieldRow& row : rows) {
    for (const auto& [name, value] : row.fields.items()) {
      if (name != kFileName && std::find(known.begin(), known.end(), name) == known.end()) {
        known.push_back(name);
      }
    }
  }
  std::string list;
  for (const std::string& name : known) list += (list.empty() ? "" : ", ") + name;
  throw UsageError(concat(path.string(), ": no column '", *wanted, "' as --caption_column says",
                          did_you_mean(*wanted, known), "; it has ", list.empty() ? "none" : list));
}

// The text of a field; `where` is the file and line for the message.
std::string text_field(const json& fields, const std::string& column, const std::string& where) {
  const auto field = fields.find(column);
  if (field == fields.end()) fail(where, ": no ", column);
  if (!field->is_string()) fail(where, ": ", column, " is ", field->dump(), ", want text");
  const std::string text = field->get<std::string>();
  if (text.find_first_not_of(" \t\r\n") == std::string::npos)
    fail(where, ": ", column, " is empty");
  return text;
}

std::string normal_file_name(const std::string& name, const std::string& where) {
  const fs::path normal = fs::path(name).lexically_normal();
  if (normal.is_absolute() || *normal.begin() == ".." || name.find('\0') != std::string::npos) {
    fail(where, ": file_name '", name, "' leaves the folder");
  }
  return normal.generic_string();
}

}  // namespace

std::optional<CaptionTable> read_caption_table(const fs::path& folder,
                                               const std::optional<std::string>& caption_column) {
  const bool has_jsonl = fs::exists(folder / "metadata.jsonl");
  const bool has_csv = fs::exists(folder / "metadata.csv");
  if (has_jsonl && has_csv) {
    fail(folder.string(), " has both metadata.jsonl and metadata.csv; want one of them");
  }
  if (!has_jsonl && !has_csv) {
    if (fs::exists(folder / "metadata.parquet")) {
      fail((folder / "metadata.parquet").string(),
           ": Parquet is not read; want metadata.jsonl or metadata.csv");
    }
    return std::nullopt;
  }
  CaptionTable table;
  table.path = folder / (has_jsonl ? "metadata.jsonl" : "metadata.csv");
  const std::vector<FieldRow> rows = has_jsonl ? jsonl_rows(table.path) : csv_rows(table.path);
  const std::optional<std::string> column = pick_column(rows, table.path, caption_column);
  table.column = column;
  std::set<std::string> seen;
  for (const FieldRow& row : rows) {
    const std::string where = concat(table.path.string(), " line ", row.line);
    CaptionRow entry;
    entry.file_name = normal_file_name(text_field(row.fields, kFileName, where), where);
    if (column) entry.caption = text_field(row.fields, *column, where);
    entry.fields = row.fields.dump();
    if (!seen.insert(entry.file_name).second) fail(where, ": ", entry.file_name, " comes twice");
    table.rows.push_back(std::move(entry));
  }
  return table;
}

}  // namespace dorabooth
