// metadata.jsonl and metadata.csv of Hugging Face's imagefolder: a file_name a row, and a caption
// column.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace dorabooth {

struct CaptionRow {
  std::string file_name;               // relative, forward slashes, normalised, inside the folder
  std::optional<std::string> caption;  // absent if the table has no caption column
  std::string fields;                  // all of the row, a JSON object
};

struct CaptionTable {
  std::filesystem::path path;
  std::optional<std::string> column;  // of the captions
  std::vector<CaptionRow> rows;       // no file_name twice
};

// The folder's table, or nothing if it has none. The captions are in `caption_column` where that is
// given, and otherwise in the first of text, prompt, caption that the table has. Errors name file,
// line and column: two tables, a row without file_name, a name that leaves the folder or comes
// twice, an unknown column, a caption that is missing, empty or not text.
std::optional<CaptionTable> read_caption_table(const std::filesystem::path& folder,
                                               const std::optional<std::string>& caption_column);

}  // namespace dorabooth
