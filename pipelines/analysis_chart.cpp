#include "pipelines/analysis_chart.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <map>
#include <set>
#include <sstream>

#include "src/base/error.h"

namespace dorabooth {

namespace {

constexpr const char* kTogether = "all";
constexpr size_t kMostStepNames = 7;  // there are as many marker shapes
constexpr size_t kMostLayersBeside = 24;

struct Axis {
  const char* name;
  WeightChange LayerChange::*change;
};
constexpr Axis kAxes[] = {{"output", &LayerChange::output}, {"input", &LayerChange::input}};

const std::map<std::string, std::string> kKinds = {
    {"to_q", "query"},   {"to_k", "key"},   {"to_v", "value"},   {"to_out", "output"},
    {"q_proj", "query"}, {"k_proj", "key"}, {"v_proj", "value"}, {"out_proj", "output"}};

// What every name has says nothing on a chart.
const std::map<std::string, std::string> kWords = {
    {"unet", ""},        {"down_blocks", "down"}, {"mid_block", "mid"},
    {"up_blocks", "up"}, {"attentions", ""},      {"transformer_blocks", ""},
    {"attn1", "self"},   {"attn2", "cross"},      {"text_model", ""},
    {"encoder", ""},     {"layers", ""},          {"self_attn", ""}};

std::vector<std::string> split(const std::string& name) {
  std::vector<std::string> words;
  std::istringstream text(name);
  for (std::string word; std::getline(text, word, '.');) words.push_back(word);
  return words;
}

// Numbers in names count as numbers: layers.9 stands before layers.10.
bool stands_before(const std::string& a, const std::string& b) {
  const std::vector<std::string> first = split(a);
  const std::vector<std::string> second = split(b);
  const auto is_number = [](const std::string& word) {
    return !word.empty() && std::ranges::all_of(word, [](char c) { return c >= '0' && c <= '9'; });
  };
  for (size_t i = 0; i < std::min(first.size(), second.size()); ++i) {
    if (first[i] == second[i]) continue;
    if (is_number(first[i]) && is_number(second[i]) && first[i].size() != second[i].size())
      return first[i].size() < second[i].size();
    return first[i] < second[i];
  }
  return first.size() < second.size();
}

std::string lower_case(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::string number_text(double value) {
  if (!std::isfinite(value)) return "not defined";
  char text[32];
  std::snprintf(text, sizeof text, std::abs(value) < 100 ? "%.2f" : "%.3g", value);
  return text[0] == '-' ? "\u2212" + std::string(text + 1) : text;
}

// Steps in at most kMostStepNames groups of neighbours; "" where no step is known.
std::map<int64_t, std::string> names_of_steps(const std::set<int64_t>& steps) {
  std::vector<int64_t> known;
  for (const int64_t step : steps) {
    if (step >= 0) known.push_back(step);
  }
  const size_t in_group = (known.size() + kMostStepNames - 1) / kMostStepNames;
  std::map<int64_t, std::string> names;
  for (size_t begin = 0; begin < known.size(); begin += in_group) {
    const size_t end = std::min(begin + in_group, known.size());
    std::string name = concat("step ", known[begin]);
    if (end - begin > 1) name = concat("steps ", known[begin], " to ", known[end - 1]);
    for (size_t i = begin; i < end; ++i) names[known[i]] = name;
  }
  if (steps.contains(-1)) names[-1] = known.empty() ? "" : "no step";
  return names;
}

class AnalysisCharts {
 public:
  AnalysisCharts(const AnalyzeReport& report, const AnalyzeRequest& request, const Log& log)
      : report_(report), together_(request.plot_projections == "together") {
    // The paper's order: full training, LoRA, DoRA.
    std::ranges::stable_partition(report_.series, [](const ChangeSeries& series) {
      return lower_case(series.name).find("dora") == std::string::npos;
    });
    take_layers();
    take_kinds(log);
    shared_axes_ = request.plot_axes == "shared";
  }

  Chart scatter(const Axis& axis) const {
    Chart chart;
    chart.title = concat("Change of magnitude against change of direction, ", axis.name, " axis");
    chart.columns = static_cast<int>(report_.series.size());
    chart.width = std::max(1100, 280 * chart.columns);
    chart.panel_height = 270;
    chart.share_x = chart.share_y = shared_axes_;
    chart.colours = ColourKey{"layer", places_};
    for (const std::string& kind : kinds_) {
      for (const ChangeSeries& series : report_.series)
        chart.panels.push_back(scatter_panel(series, kind, axis));
    }
    return chart;
  }

  Chart bars(const Axis& axis) const {
    Chart chart;
    chart.title = concat("Change by layer, ", axis.name, " axis");
    chart.columns = places_.size() <= kMostLayersBeside ? 2 : 1;
    chart.panel_height = 200;
    for (const std::string& kind : kinds_) {
      chart.panels.push_back(bars_panel(kind, axis, "ΔM", &WeightChange::magnitude));
      chart.panels.push_back(bars_panel(kind, axis, "ΔD", &WeightChange::direction));
    }
    return chart;
  }

 private:
  void take_layers() {
    std::set<int64_t> steps;
    std::set<std::string> seen;
    std::vector<std::string> layers;
    for (const ChangeSeries& series : report_.series) {
      for (const LayerChange& record : series.records) {
        steps.insert(record.step);
        if (seen.insert(record.layer).second) layers.push_back(record.layer);
      }
    }
    std::ranges::sort(layers, stands_before);
    for (const std::string& layer : layers) {
      const LayerName name = layer_name(layer);
      const auto place = place_numbers_.emplace(name.place, places_.size());
      if (place.second) places_.push_back(name.place);
    }
    step_names_ = names_of_steps(steps);
  }

  void take_kinds(const Log& log) {
    if (together_) {
      kinds_ = {kTogether};
      return;
    }
    std::vector<std::string> all = {"query", "key", "value"};
    for (const auto& series : report_.series) {
      for (const LayerChange& record : series.records) {
        const std::string kind = layer_name(record.layer).kind;
        if (std::ranges::find(all, kind) == all.end()) all.push_back(kind);
      }
    }
    std::map<std::string, std::string> lacking;  // kind → the first series without it
    for (const std::string& kind : all) {
      size_t having = 0;
      std::string without;
      for (const ChangeSeries& series : report_.series) {
        const bool has = std::ranges::any_of(series.records, [&](const LayerChange& record) {
          return layer_name(record.layer).kind == kind;
        });
        having += has ? 1 : 0;
        if (!has && without.empty()) without = series.name;
      }
      if (having == report_.series.size()) {
        kinds_.push_back(kind);
      } else if (having > 0) {
        log.warning(concat("the plots leave out ", kind, ": ", without, " does not change it"));
      }
    }
    if (kinds_.empty()) {
      fail(
          "no kind of projection is changed by all of what was given, so that there is nothing to "
          "plot side by side; want --plot_projections together");
    }
  }

  bool is_of(const LayerChange& record, const std::string& kind) const {
    return together_ || layer_name(record.layer).kind == kind;
  }

  ChartPanel scatter_panel(const ChangeSeries& series, const std::string& kind,
                           const Axis& axis) const {
    ChartPanel panel;
    panel.kind = PanelKind::kScatter;
    panel.x.label = "ΔD";
    panel.y.label = "ΔM";
    std::vector<WeightChange> changes;
    std::map<int64_t, ChartSeries> by_step;  // keyed by its group's first step
    std::map<std::string, int64_t> first_step;
    for (const auto& [step, name] : step_names_) first_step.emplace(name, step);
    for (const LayerChange& record : series.records) {
      if (!is_of(record, kind)) continue;
      const WeightChange& change = record.*axis.change;
      const std::string& name = step_names_.at(record.step);
      ChartSeries& points = by_step[first_step.at(name)];
      points.name = name;
      points.x.push_back(change.direction);
      points.y.push_back(change.magnitude);
      const size_t place = place_numbers_.at(layer_name(record.layer).place);
      points.colour_value.push_back(static_cast<double>(place));
      changes.push_back(change);
    }
    for (auto& [step, points] : by_step) panel.series.push_back(std::move(points));
    const ChangeTrend trend = change_trend(changes);
    panel.title = concat(series.name, together_ ? "" : ", " + kind, "\ncorrelation ",
                         number_text(trend.pearson), ", slope ", number_text(trend.slope));
    if (std::isfinite(trend.slope)) panel.trend = TrendLine{trend.slope, trend.intercept};
    return panel;
  }

  // The mean over the matrices of a place, at the series' last step.
  ChartPanel bars_panel(const std::string& kind, const Axis& axis, const char* label,
                        double WeightChange::*number) const {
    ChartPanel panel;
    panel.kind = PanelKind::kBars;
    panel.title = together_ ? label : concat(label, ", ", kind);
    panel.y.label = label;
    panel.x.categories = places_;
    for (const ChangeSeries& series : report_.series) {
      int64_t last = -1;
      for (const LayerChange& record : series.records) last = std::max(last, record.step);
      std::map<size_t, std::pair<double, int>> sums;
      for (const LayerChange& record : series.records) {
        if (record.step != last || !is_of(record, kind)) continue;
        auto& [sum, count] = sums[place_numbers_.at(layer_name(record.layer).place)];
        sum += (record.*axis.change).*number;
        ++count;
      }
      ChartSeries bars;
      bars.name = series.name;
      for (const auto& [place, sum] : sums) {
        bars.x.push_back(static_cast<double>(place));
        bars.y.push_back(sum.first / sum.second);
      }
      panel.series.push_back(std::move(bars));
    }
    return panel;
  }

  AnalyzeReport report_;
  bool together_;
  bool shared_axes_ = false;
  std::vector<std::string> kinds_;
  std::vector<std::string> places_;
  std::map<std::string, size_t> place_numbers_;
  std::map<int64_t, std::string> step_names_;
};

}  // namespace

LayerName layer_name(const std::string& layer) {
  std::vector<std::string> words = split(layer);
  LayerName name;
  // "to_out.0" is one matrix.
  if (words.size() > 1 && words[words.size() - 2] == "to_out") words.pop_back();
  const auto kind = kKinds.find(words.back());
  name.kind = kind == kKinds.end() ? words.back() : kind->second;
  words.pop_back();
  for (const std::string& word : words) {
    const auto known = kWords.find(word);
    const std::string& shown = known == kWords.end() ? word : known->second;
    if (!shown.empty()) name.place += (name.place.empty() ? "" : ".") + shown;
  }
  if (name.place.empty()) name.place = layer.substr(0, layer.find('.'));
  return name;
}

std::vector<std::pair<std::string, Chart>> analysis_charts(const AnalyzeReport& report,
                                                           const AnalyzeRequest& request,
                                                           const Log& log) {
  const AnalysisCharts charts(report, request, log);
  std::vector<std::pair<std::string, Chart>> made;
  for (const Axis& axis : kAxes) {
    if (request.norm_axis != "both" && request.norm_axis != axis.name) continue;
    made.emplace_back(concat("-", axis.name), charts.scatter(axis));
    made.emplace_back(concat("-layers-", axis.name), charts.bars(axis));
  }
  return made;
}

}  // namespace dorabooth
