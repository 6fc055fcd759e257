// The comparison: what is drawn when. A strength that changes stops a drawing that it makes
// obsolete; a moment later its column is drawn again.
#include <algorithm>

#include "src/base/error.h"
#include "ui/desktop/compare_cells.h"
#include "ui/desktop/heavy_jobs.h"
#include "ui/desktop/reduce_window.h"

namespace dorabooth {

namespace {

constexpr double kSettled = 0.25;       // seconds without a change of strength
constexpr double kUnusedSeconds = 300;  // after which the base leaves the memory

bool is_active(const State& state) { return state.jobs[JobId::kCompare].active(); }

bool is_in_the_way(const State& state) {
  return !what_is_in_the_way(state.jobs, JobId::kCompare).empty();
}

bool has_column(const CompareGrid& grid, const std::string& name) {
  return std::ranges::any_of(grid.columns,
                             [&](const CompareColumn& column) { return column.name == name; });
}

// What no cell of the grid shows any more.
void forget_others(CompareState& compare, const CompareGrid& grid) {
  std::erase_if(compare.pictures, [&](const auto& item) {
    const CellPlace& place = item.first;
    return !has_column(grid, place.column) ||
           std::ranges::none_of(grid.rows, [&](const CompareRow& row) {
             return row.prompt == place.prompt && row.seed == place.seed;
           });
  });
}

// Draws what is not there yet; `only` names columns, empty: all.
Effects start_run(State& state, const std::set<std::string>& only, bool reuse) {
  CompareState& compare = state.compare;
  compare.changed.clear();
  compare.start_again = compare.due = false;
  if (is_refused(state, JobId::kCompare)) return {};
  CompareRequest request = drawn_request(state.project);
  const CompareGrid grid = compare_grid(request);
  if (!grid.problem.empty()) {
    add_message(state.log, {MessageKind::kError, "compare", grid.problem});
    return {};
  }
  for (const std::string& name : only) {
    if (has_column(grid, name)) request.only_column.push_back(name);
  }
  if (!only.empty() && request.only_column.empty()) return {};
  forget_others(compare, grid);
  request.reuse = reuse;
  begin_job(state, JobId::kCompare);
  compare.run = {request, {}, {}, 0};
  return {RunCompare{request}};
}

Effects stop_run(State& state) {
  state.jobs[JobId::kCompare].phase = JobState::Phase::kStopping;
  return {StopJob{JobId::kCompare}};
}

// Once the running job has stopped and no strength changes any more.
Effects draw_changed(State& state) {
  CompareState& compare = state.compare;
  // A training that began meanwhile is not to be told of every strength that moves.
  if (is_active(state) || !compare.due || is_in_the_way(state)) return {};
  if (compare.start_again) return start_run(state, {}, true);
  if (compare.changed.empty()) return {};
  return start_run(state, std::set<std::string>(compare.changed), true);
}

Effects set_strength(State& state, const SetColumnStrength& set) {
  std::vector<std::string>& columns = state.project.compare.column;
  if (set.column >= columns.size()) return {};
  AdapterArgument adapter = parse_named_adapter(columns[set.column]);
  adapter.strength = set.strength;
  columns[set.column] = column_text(adapter.name, adapter);
  CompareState& compare = state.compare;
  const bool drawn = std::ranges::any_of(
      compare.pictures, [&](const auto& item) { return item.first.column == adapter.name; });
  if (!compare.live || (!drawn && !is_active(state)) || is_in_the_way(state)) return {};
  compare.changed.insert(adapter.name);
  compare.due = false;
  Effects effects = {SetTimer{TimerId::kResample, kSettled}};
  if (!is_active(state)) return effects;
  // What the stopped run still had to draw is drawn afterwards.
  const std::vector<std::string>& only = compare.run.request.only_column;
  compare.start_again |= only.empty();
  compare.changed.insert(only.begin(), only.end());
  if (state.jobs[JobId::kCompare].phase != JobState::Phase::kStopping)
    effects.push_back(stop_run(state).front());
  return effects;
}

Effects look_for_drawn(State& state) {
  CompareState& compare = state.compare;
  const CompareRequest request = drawn_request(state.project);
  if (compare.looked || is_active(state) || !compare_grid(request).problem.empty()) return {};
  compare.looked = true;
  return {FindDrawn{request}};
}

// What was drawn meanwhile is newer.
void take_found(CompareState& compare, const DrawnFound& found) {
  const CompareGrid grid = compare_grid(found.request);
  for (const DrawnCell& cell : found.cells) {
    const CompareColumn& column = grid.columns.at(cell.column);
    compare.pictures.try_emplace(place_of(grid, {cell.row, cell.column}),
                                 DrawnPicture{std::make_shared<const Image>(cell.image), cell.path,
                                              cell_key(grid, cell.column), caption_of(column),
                                              details_of(found.request, grid.rows.at(cell.row))});
  }
}

Effects toggle_favourite(State& state, CellIndex cell) {
  const CompareGrid grid = compare_grid(drawn_request(state.project));
  if (cell.row >= grid.rows.size() || cell.column >= grid.columns.size()) return {};
  const DrawnPicture* picture = picture_at(state.compare, grid, cell);
  if (!picture) return {};
  const std::string path = favourite_path(state.project, place_of(grid, cell), *picture);
  if (std::erase(state.project.favourites, path) > 0) return {};
  state.project.favourites.push_back(path);
  return {CopyPicture{picture->path, path}};
}

Effects reduce_drawing(State& state, const CompareAction& action) {
  CompareState& compare = state.compare;
  return std::visit(
      Overloaded{
          [&](const StartCompare&) {
            return is_active(state) ? Effects() : start_run(state, {}, true);
          },
          [&](const DrawAllAgain&) -> Effects {
            if (is_active(state) || is_refused(state, JobId::kCompare)) return {};
            for (auto& [place, picture] : compare.pictures) picture.key.clear();
            return start_run(state, {}, false);
          },
          [&](const LookForDrawn&) { return look_for_drawn(state); },
          [&](const DrawnFound& found) -> Effects {
            take_found(compare, found);
            return {};
          },
          [&](const StopCompare&) -> Effects {
            compare.changed.clear();
            compare.start_again = compare.due = false;
            return is_active(state) ? stop_run(state) : Effects();
          },
          [&](const SetLive& set) -> Effects {
            compare.live = set.on;
            return {};
          },
          [&](const ResampleDue&) {
            compare.due = true;
            return draw_changed(state);
          },
          [&](const BaseUnused&) { return is_active(state) ? Effects() : Effects{ReleaseBase{}}; },
          [&](const SetColumnStrength& set) { return set_strength(state, set); },
          [&](const ToggleFavourite& toggle) { return toggle_favourite(state, toggle.cell); },
          [&](const ForgetFavourite& forget) -> Effects {
            std::erase(state.project.favourites, forget.path);
            return {};
          },
          [&](const TakePicture& take) -> Effects { return {ReadPicture{take.path}}; },
          [&](const ComparisonSaved& saved) -> Effects {
            compare.saved = saved.path;
            add_message(state.log, {MessageKind::kInfo, "compare", "saved " + saved.path});
            return {};
          },
          [](const auto&) -> Effects { return {}; },
      },
      action);
}

void reduce_looking(State& state, const CompareAction& action) {
  CompareState& compare = state.compare;
  std::visit(Overloaded{
                 [&](const ShowPictures&) {
                   show_window(state, WindowId::kCompare);
                   compare.to_pictures = true;
                 },
                 [&](const SelectCell& select) { compare.selected = select.cell; },
                 [&](const ShowLarge& show) { compare.large = show.on; },
                 [&](const SetLargeMode& set) { compare.mode = set.mode; },
                 [&](const SetOtherColumn& set) { compare.other = set.column; },
                 [&](const SetSplit& set) { compare.split = std::clamp(set.share, 0.0, 1.0); },
                 [&](const SetGain& set) { compare.gain = std::clamp(set.gain, 1.0, 64.0); },
                 [&](const SetView& set) { compare.view = set.view; },
                 [](const auto&) {},
             },
             action);
}

// The cells that the job is about to draw: those that it did not keep.
void note_queue(CompareState& compare, const StartedEvent& started) {
  CompareRun& run = compare.run;
  const CompareGrid grid = compare_grid(run.request);
  const std::vector<std::string>& only = run.request.only_column;
  run.queue.clear();
  for (size_t row = 0; row < grid.rows.size(); ++row) {
    for (size_t column = 0; column < grid.columns.size(); ++column) {
      const bool wanted =
          only.empty() || std::ranges::find(only, grid.columns[column].name) != only.end();
      const bool kept = run.kept.contains({row, column});
      if (wanted && !kept) run.queue.push_back({row, column});
    }
  }
  const auto cells = static_cast<int64_t>(run.queue.size());
  run.steps_per_cell = cells > 0 ? started.total / cells : 0;
}

void add_picture(CompareState& compare, const PreviewEvent& preview) {
  CompareRun& run = compare.run;
  const CompareGrid grid = compare_grid(run.request);
  const CellIndex cell = {static_cast<size_t>(preview.row), static_cast<size_t>(preview.column)};
  if (cell.row >= grid.rows.size() || cell.column >= grid.columns.size()) return;
  const CompareRow& row = grid.rows[cell.row];
  const CompareColumn& column = grid.columns[cell.column];
  if (run.steps_per_cell == 0) run.kept.insert({cell.row, cell.column});
  const std::string path = compare_picture_path(run.request, cell.row, row.seed, column);
  // A file that was overwritten does not show what another cell shows.
  std::erase_if(compare.pictures, [&](const auto& item) { return item.second.path == path; });
  compare.pictures[place_of(grid, cell)] = {std::make_shared<const Image>(preview.image), path,
                                            cell_key(grid, cell.column), caption_of(column),
                                            details_of(run.request, row)};
}

}  // namespace

Effects reduce_compare(State& state, const CompareAction& action) {
  try {
    reduce_looking(state, action);
    reduce_compare_columns(state, action);
    return reduce_drawing(state, action);
  } catch (const UsageError& error) {  // a column that a project file spelled wrong
    add_message(state.log, {MessageKind::kError, "compare", error.what()});
    return {};
  }
}

Effects reduce_compare_event(State& state, const Event& event) {
  if (const auto* started = std::get_if<StartedEvent>(&event)) note_queue(state.compare, *started);
  if (const auto* preview = std::get_if<PreviewEvent>(&event)) add_picture(state.compare, *preview);
  if (is_active(state)) return {};
  Effects effects = draw_changed(state);
  effects.push_back(SetTimer{TimerId::kBaseUnused, kUnusedSeconds});
  return effects;
}

}  // namespace dorabooth
