// A picture's text chunk against what the cell would be drawn with.
#include "pipelines/drawn_cells.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "pipelines/compare_grid.h"
#include "pipelines/parts/picture_text.h"
#include "pipelines/version.h"
#include "src/base/error.h"
#include "src/base/hash.h"

namespace dorabooth {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

class DrawnCells {
 public:
  explicit DrawnCells(const CompareRequest& request)
      : request_(request), base_written_(base_written(request.pretrained_model_name_or_path)) {}

  bool holds(const std::string& path, const CompareRow& row, const CompareColumn& column) {
    if (!fs::exists(path) || fs::last_write_time(path) < base_written_) return false;
    try {
      const json text = picture_json(path);
      return text.at("version") == program_version() &&
             has_request(text.at("request"), row, column) && has_adapters(text.at("adapters"));
    } catch (const Error&) {
      return false;  // not ours, or damaged
    } catch (const json::exception&) {
      return false;
    }
  }

 private:
  bool has_request(const json& drawn, const CompareRow& row, const CompareColumn& column) const {
    SampleRequest cell = cell_request(request_, column);
    cell.prompt = {row.prompt};
    cell.seed = {row.seed};
    const json wanted = sample_fields().to_json(&cell);
    for (const auto& [key, value] : wanted.items()) {
      const bool by_base = key == "height" || key == "width" || key == "dtype";
      const bool elsewhere = std::ranges::count(fields_outside_pictures(), key) > 0;
      if (elsewhere || (by_base && value.is_null())) continue;
      if (!drawn.contains(key) || drawn.at(key) != value) return false;
    }
    return true;
  }

  bool has_adapters(const json& files) {
    return std::ranges::all_of(files, [&](const json& file) {
      return sha256_of(file.at("file").get<std::string>()) == file.at("sha256");
    });
  }

  // Once a file: they are as large as hundreds of megabytes.
  const std::string& sha256_of(const std::string& file) {
    const auto [entry, is_new] = sha256_.try_emplace(file);
    if (is_new && fs::exists(file)) entry->second = sha256_of_file(file);
    return entry->second;
  }

  const CompareRequest& request_;
  fs::file_time_type base_written_;
  std::map<std::string, std::string> sha256_;
};

}  // namespace

fs::file_time_type base_written(const fs::path& base) {
  if (!fs::is_directory(base)) return fs::last_write_time(base);
  fs::file_time_type last = fs::file_time_type::min();
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(base)) {
    if (entry.is_regular_file()) last = std::max(last, entry.last_write_time());
  }
  return last;
}

std::vector<DrawnCell> drawn_cells(const CompareRequest& request) {
  std::vector<DrawnCell> cells;
  if (!fs::exists(request.pretrained_model_name_or_path)) return cells;
  DrawnCells drawn(request);
  const std::vector<CompareRow> rows = compare_rows(request);
  const std::vector<CompareColumn> columns = compare_columns(request);
  for (size_t row = 0; row < rows.size(); ++row) {
    for (size_t column = 0; column < columns.size(); ++column) {
      const std::string path = compare_picture_path(request, row, rows[row].seed, columns[column]);
      if (!drawn.holds(path, rows[row], columns[column])) continue;
      cells.push_back({row, column, path, read_picture(path).image});
    }
  }
  return cells;
}

}  // namespace dorabooth
