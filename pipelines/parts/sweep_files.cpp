// Which setting is the plot's axis, and in which scale, follows from its values.
#include "pipelines/parts/sweep_files.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "pipelines/sweep_text.h"
#include "src/base/atomic_file.h"
#include "src/model/assets.h"

namespace dorabooth {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

// The place of the setting that the plot's axis shows; nothing where no setting varies.
struct PlotAxis {
  size_t place = 0;
  bool is_number = false;
};

std::optional<PlotAxis> axis_of(const std::vector<SweepRow>& rows) {
  std::optional<PlotAxis> other;
  const PointValues& names = rows.at(0).values;
  for (size_t place = 0; place < names.size(); ++place) {
    std::set<json> values;
    bool numbers = true;
    for (const SweepRow& row : rows) {
      values.insert(row.values[place].second);
      numbers = numbers && row.values[place].second.is_number();
    }
    if (values.size() < 2) continue;
    if (numbers) return PlotAxis{place, true};
    if (!other) other = PlotAxis{place, false};
  }
  return other;
}

bool is_power_of_two(double value) {
  int exponent = 0;
  return value > 0 && std::frexp(value, &exponent) == 0.5;
}

void set_scale(ChartAxis& axis, const std::set<double>& values) {
  const double low = *values.begin();
  const double high = *values.rbegin();
  axis.ticks.assign(values.begin(), values.end());
  if (low <= 0 || high / low < 4) return;
  axis.scale = std::all_of(values.begin(), values.end(), is_power_of_two) ? AxisScale::kLog2
                                                                          : AxisScale::kLog10;
}

std::string rest_text(const PointValues& values, const std::optional<PlotAxis>& axis) {
  std::string text;
  for (size_t i = 0; i < values.size(); ++i) {
    if (axis && i == axis->place) continue;
    text += (text.empty() ? "" : ", ") + values[i].first + " " + value_text(values[i].second);
  }
  return text;
}

template <typename T>
size_t place_in(std::vector<T>& list, const T& value) {
  const auto found = std::find(list.begin(), list.end(), value);
  if (found != list.end()) return static_cast<size_t>(found - list.begin());
  list.push_back(value);
  return list.size() - 1;
}

}  // namespace

Chart sweep_chart(const std::vector<SweepRow>& rows) {
  const std::optional<PlotAxis> axis = axis_of(rows);
  Chart chart;
  chart.share_x = chart.share_y = true;
  std::vector<std::string> rests;
  std::vector<std::string> categories;
  std::set<double> numbers;
  for (const SweepRow& row : rows) {
    const size_t place = place_in(rests, rest_text(row.values, axis));
    if (place == chart.panels.size()) {
      ChartPanel panel;
      panel.kind = axis && axis->is_number ? PanelKind::kLines : PanelKind::kBars;
      panel.title = rests[place];
      panel.y.label = "held-out loss against the base, %";
      if (axis) panel.x.label = row.values[axis->place].first;
      chart.panels.push_back(std::move(panel));
    }
    ChartPanel& panel = chart.panels[place];
    // Without a setting on the axis the adapters stand there.
    const std::string name = axis ? row.adapter : "";
    auto series = std::find_if(panel.series.begin(), panel.series.end(),
                               [&](const ChartSeries& one) { return one.name == name; });
    if (series == panel.series.end()) {
      panel.series.push_back({});
      series = panel.series.end() - 1;
      series->name = name;
    }
    if (axis && axis->is_number) {
      const double x = row.values[axis->place].second.get<double>();
      numbers.insert(x);
      series->x.push_back(x);
    } else {
      const std::string category = axis ? value_text(row.values[axis->place].second) : row.adapter;
      series->x.push_back(static_cast<double>(place_in(categories, category)));
    }
    series->y.push_back(100.0 * row.relative_to_base.mean);
    series->spread.push_back(100.0 * row.relative_to_base.deviation);
  }
  for (ChartPanel& panel : chart.panels) {
    if (axis && axis->is_number) {
      set_scale(panel.x, numbers);
    } else {
      panel.x.categories = categories;
    }
  }
  chart.columns = std::min<int>(static_cast<int>(chart.panels.size()), 3);
  return chart;
}

std::vector<std::string> write_sweep_files(const fs::path& folder, const SweepReport& report) {
  const fs::path csv = folder / "results.csv";
  const fs::path table = folder / "table.md";
  const fs::path results = folder / "results.json";
  write_file_atomically(csv, sweep_csv(report));
  write_file_atomically(table, sweep_table(report));
  const Chart chart = sweep_chart(report.rows);
  const fs::path font = asset_path("fonts/DejaVuSans.ttf");
  std::vector<std::string> files = {csv.string(), table.string(), results.string()};
  for (const char* name : {"plot.png", "plot.svg"}) {
    write_chart(chart, font, folder / name);
    files.push_back((folder / name).string());
  }
  json described = sweep_json(report);
  described["files"] = files;
  write_file_atomically(results, described.dump(2) + "\n");
  return files;
}

}  // namespace dorabooth
