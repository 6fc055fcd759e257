// Columns of the comparison that come and go, and settings taken from a picture.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "src/base/error.h"
#include "ui/desktop/compare_cells.h"
#include "ui/desktop/reduce_window.h"

namespace dorabooth {

namespace {

using Columns = std::vector<std::string>;

// A name that no column has: "dora", "dora 2", …
std::string free_name(const Columns& columns, const std::string& wanted) {
  const auto taken = [&](const std::string& name) {
    return name == "base" || std::ranges::any_of(columns, [&](const std::string& text) {
             return parse_named_adapter(text).name == name;
           });
  };
  std::string name = wanted;
  for (int number = 2; taken(name); ++number) name = concat(wanted, " ", number);
  return name;
}

void add_column(Columns& columns, const std::string& argument) {
  const AdapterArgument adapter = parse_adapter_argument(argument);
  columns.push_back(column_text(free_name(columns, adapter.name), adapter));
}

void rename_column(State& state, const RenameColumn& rename) {
  Columns& columns = state.project.compare.column;
  const AdapterArgument adapter = parse_named_adapter(columns[rename.column]);
  columns[rename.column] = column_text(rename.name, adapter);
  const std::string name = parse_named_adapter(columns[rename.column]).name;
  std::map<CellPlace, DrawnPicture> pictures;
  for (auto& [place, picture] : state.compare.pictures) {
    CellPlace now = place;
    if (now.column == adapter.name) now.column = name;
    pictures[now] = std::move(picture);
  }
  state.compare.pictures = std::move(pictures);
}

void sweep_column(State& state, size_t column) {
  Columns& columns = state.project.compare.column;
  const nlohmann::json list = nlohmann::json::parse("[" + state.compare.sweep + "]", nullptr,
                                                    /*allow_exceptions=*/false);
  const bool numbers = list.is_array() && !list.empty() &&
                       std::ranges::all_of(list, [](const auto& e) { return e.is_number(); });
  if (!numbers) {
    add_message(state.log,
                {MessageKind::kError, "compare",
                 "a sweep wants strengths such as 0, 0.5, 1; got '" + state.compare.sweep + "'"});
    return;
  }
  const Columns swept =
      strength_columns(parse_named_adapter(columns[column]), list.get<std::vector<double>>());
  const auto at = columns.begin() + static_cast<std::ptrdiff_t>(column);
  columns.insert(columns.erase(at), swept.begin(), swept.end());
}

// The picture's adapter at its strength: in the column that has it already, or in a new one.
void show_adapter(Columns& columns, const std::string& argument) {
  const AdapterArgument adapter = parse_adapter_argument(argument);
  for (std::string& text : columns) {
    AdapterArgument column = parse_named_adapter(text);
    if (column.path != adapter.path) continue;
    column.strength = adapter.strength;
    text = column_text(column.name, column);
    return;
  }
  add_column(columns, argument);
}

void take_picture(State& state, const PictureTaken& taken) {
  CompareRequest& compare = state.project.compare;
  const SampleRequest& picture = taken.request;
  static_cast<SamplingOptions&>(compare) = picture;
  compare.dtype = picture.dtype;
  compare.variant = picture.variant;
  compare.config_dir = picture.config_dir;
  compare.prompt = picture.prompt;
  compare.seed = picture.seed;
  compare.embedding = picture.embedding;
  for (const std::string& adapter : picture.adapter_path) show_adapter(compare.column, adapter);
  state.form(FormId::kCompare).refused.clear();
  show_window(state, WindowId::kCompare);
  const auto warn = [&](const std::string& text) {
    add_message(state.log, {MessageKind::kWarning, "compare", text});
  };
  if (taken.base_found) {
    set_base(state.project, picture.pretrained_model_name_or_path);
  } else {
    warn("the picture's base " + picture.pretrained_model_name_or_path +
         " is not there; the base that is chosen stays");
  }
  if (picture.adapter_path.size() > 1)
    warn("the picture was drawn with several adapters at once; each has a column of its own here");
  if (picture.image_index.value_or(0) > 0)
    warn("the picture is not the first of a batch from one seed; a comparison draws the first");
}

}  // namespace

void reduce_compare_columns(State& state, const CompareAction& action) {
  Columns& columns = state.project.compare.column;
  const auto is_there = [&](size_t column) { return column < columns.size(); };
  std::visit(Overloaded{
                 [&](const RenameColumn& rename) {
                   if (is_there(rename.column)) rename_column(state, rename);
                 },
                 [&](const RemoveColumn& remove) {
                   if (is_there(remove.column))
                     columns.erase(columns.begin() + static_cast<std::ptrdiff_t>(remove.column));
                 },
                 [&](const AddColumn& add) { add_column(columns, add.path); },
                 [&](const SetSweep& set) { state.compare.sweep = set.strengths; },
                 [&](const SweepColumn& sweep) {
                   if (is_there(sweep.column)) sweep_column(state, sweep.column);
                 },
                 [&](const CheckpointsFound& found) { columns = found.columns; },
                 [&](const PictureTaken& taken) { take_picture(state, taken); },
                 [](const auto&) {},
             },
             action);
}

}  // namespace dorabooth
