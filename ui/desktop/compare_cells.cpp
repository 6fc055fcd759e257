#include "ui/desktop/compare_cells.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "src/base/error.h"
#include "src/base/hash.h"

namespace dorabooth {

CompareRequest drawn_request(const Project& project) {
  CompareRequest request = project.compare;
  std::erase_if(request.prompt, [](const std::string& prompt) {
    return prompt.find_first_not_of(" \t\r") == std::string::npos;
  });
  request.prompts_file.reset();
  request.sweep_strength.clear();
  request.sweep_checkpoints.clear();
  request.only_column.clear();
  request.reuse = true;
  return request;
}

CompareGrid compare_grid(const CompareRequest& request) {
  CompareGrid grid;
  nlohmann::json settings = compare_fields().to_json(&request);
  for (const char* key : {"prompt", "seed", "column", "output", "reuse", "only_column"})
    settings.erase(key);
  grid.settings = settings.dump();
  try {
    grid.columns = compare_columns(request);
    if (request.prompt.empty()) {
      grid.problem = "Write a prompt, one a line, to say what to draw.";
    } else if (request.seed.empty()) {
      grid.problem = "Give at least one seed: a number for the noise that a picture starts from.";
    } else {
      grid.rows = compare_rows(request);
    }
  } catch (const UsageError& error) {
    grid.columns.resize(1);
    grid.problem = error.what();
  }
  if (request.pretrained_model_name_or_path.empty())
    grid.problem = "Choose a base first (Start window).";
  return grid;
}

CellPlace place_of(const CompareGrid& grid, CellIndex cell) {
  const CompareRow& row = grid.rows.at(cell.row);
  return {row.prompt, row.seed, grid.columns.at(cell.column).name};
}

std::string cell_key(const CompareGrid& grid, size_t column) {
  std::string key = grid.settings;
  for (const AdapterArgument& adapter : grid.columns.at(column).adapters)
    key += "\n" + adapter.text();
  return key;
}

const DrawnPicture* picture_at(const CompareState& state, const CompareGrid& grid, CellIndex cell) {
  const auto found = state.pictures.find(place_of(grid, cell));
  return found == state.pictures.end() ? nullptr : &found->second;
}

bool is_fresh(const CompareState& state, const CompareGrid& grid, CellIndex cell) {
  const DrawnPicture* picture = picture_at(state, grid, cell);
  return picture && picture->key == cell_key(grid, cell.column);
}

std::string caption_of(const CompareColumn& column) {
  std::string caption = column.name;
  for (const AdapterArgument& adapter : column.adapters)
    caption += concat(" · strength ", adapter.strength);
  return caption;
}

std::string details_of(const CompareRequest& request, const CompareRow& row) {
  return concat("seed ", row.seed, " · ", request.num_inference_steps, " steps · guidance ",
                request.guidance_scale);
}

double cell_share(const CompareState& state, const JobState& job, CellIndex cell) {
  const CompareRun& run = state.run;
  if (!job.active() || run.steps_per_cell <= 0) return -1;
  const auto current = static_cast<size_t>(job.step / run.steps_per_cell);
  if (current >= run.queue.size() || run.queue[current] != cell) return -1;
  return static_cast<double>(job.step % run.steps_per_cell) /
         static_cast<double>(run.steps_per_cell);
}

std::string favourite_path(const Project& project, const CellPlace& place,
                           const DrawnPicture& picture) {
  Sha256 hash;
  hash.update(concat(place.prompt, "\n", place.seed, "\n", place.column, "\n", picture.key));
  const std::filesystem::path output = project.compare.output;
  const std::string name = concat(place.seed, "-", hash.hex().substr(0, 12), ".png");
  return (output.parent_path() / output.stem() / "favourites" / name).string();
}

bool is_favourite(const Project& project, const CellPlace& place, const DrawnPicture& picture) {
  if (project.favourites.empty()) return false;
  const std::string path = favourite_path(project, place, picture);
  return std::ranges::find(project.favourites, path) != project.favourites.end();
}

ComparisonSheet comparison_sheet(const State& state) {
  const CompareRequest request = drawn_request(state.project);
  const CompareGrid grid = compare_grid(request);
  ComparisonSheet sheet;
  sheet.title = "Comparison";
  sheet.settings = request.pretrained_model_name_or_path;
  for (const CompareColumn& column : grid.columns) sheet.columns.push_back(column.name);
  for (size_t row = 0; row < grid.rows.size(); ++row) {
    SheetRow& to = sheet.rows.emplace_back();
    to.prompt = grid.rows[row].prompt;
    to.detail = concat("seed ", grid.rows[row].seed);
    for (size_t column = 0; column < grid.columns.size(); ++column) {
      SheetCell& cell = to.cells.emplace_back();
      const DrawnPicture* picture = picture_at(state.compare, grid, {row, column});
      if (!picture) continue;
      cell = {picture->path, picture->caption + " · " + picture->details};
      if (is_favourite(state.project, place_of(grid, {row, column}), *picture))
        cell.caption += " · favourite";
    }
  }
  return sheet;
}

}  // namespace dorabooth
