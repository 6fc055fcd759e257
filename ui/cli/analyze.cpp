// dorabooth analyze
#include "pipelines/analyze.h"

#include <cmath>
#include <iomanip>
#include <map>
#include <nlohmann/json.hpp>

#include "ui/cli/arguments.h"
#include "ui/cli/commands.h"
#include "ui/cli/progress_line.h"
#include "ui/cli/stop_signals.h"

namespace dorabooth {

namespace {

using nlohmann::json;

const CommandText kText = {
    "analyze",
    "How far training moved the weights in magnitude (ΔM) and in direction (ΔD), and how the two "
    "go together: the DoRA paper's eq. 2 to 4.",
    "", true, "dorabooth analyze --pretrained_model_name_or_path assets/base --run out/quickstart"};

json number(double value) { return std::isfinite(value) ? json(value) : json(); }

json to_json(const WeightChange& change) {
  return {{"delta_M", change.magnitude}, {"delta_D", change.direction}};
}

json trend_json(const ChangeTrend& trend) {
  return {{"pearson", number(trend.pearson)},
          {"slope", number(trend.slope)},
          {"intercept", number(trend.intercept)}};
}

struct Axis {
  const char* name;  // of the option
  const char* key;   // of the JSON
  WeightChange LayerChange::*change;
  ChangeTrend LayerTrend::*trend;
  ChangeTrend ChangeSeries::*all;
};
constexpr Axis kAxes[] = {
    {"output", "out", &LayerChange::output, &LayerTrend::output, &ChangeSeries::output},
    {"input", "in", &LayerChange::input, &LayerTrend::input, &ChangeSeries::input}};

bool wants(const AnalyzeRequest& request, const Axis& axis) {
  return request.norm_axis == "both" || request.norm_axis == axis.name;
}

json to_json(const AnalyzeReport& report, const AnalyzeRequest& request) {
  json all = json::array();
  for (const ChangeSeries& series : report.series) {
    json records = json::array();
    for (const LayerChange& record : series.records) {
      json one = {{"layer", record.layer}, {"step", record.step < 0 ? json() : json(record.step)}};
      for (const Axis& axis : kAxes) {
        if (wants(request, axis)) one[axis.key] = to_json(record.*axis.change);
      }
      records.push_back(one);
    }
    json correlation = json::object();
    for (const Axis& axis : kAxes) {
      if (!wants(request, axis)) continue;
      correlation[axis.key] = trend_json(series.*axis.all);
      json& layers = correlation[axis.key]["layers"] = json::object();
      for (const LayerTrend& layer : series.layers)
        layers[layer.layer] = trend_json(layer.*axis.trend);
    }
    all.push_back({{"name", series.name}, {"records", records}, {"correlation", correlation}});
  }
  return {{"series", all}, {"stopped", report.stopped}};
}

void print_number(std::ostream& out, double value, int width, int digits) {
  if (std::isfinite(value)) {
    out << std::setw(width) << std::fixed << std::setprecision(digits) << value;
  } else {
    out << std::setw(width) << "-";
  }
}

// Means over the layers of one step.
void print_steps(const ChangeSeries& series, const Axis& axis, std::ostream& out) {
  std::map<int64_t, std::vector<WeightChange>> steps;
  for (const LayerChange& record : series.records)
    steps[record.step].push_back(record.*axis.change);
  for (const auto& [step, changes] : steps) {
    WeightChange mean;
    for (const WeightChange& change : changes) {
      mean.magnitude += change.magnitude / static_cast<double>(changes.size());
      mean.direction += change.direction / static_cast<double>(changes.size());
    }
    out << "    " << std::left << std::setw(14)
        << (step < 0 ? std::string("") : "step " + std::to_string(step)) << std::right << "  ΔM ";
    print_number(out, mean.magnitude, 9, 6);
    out << "  ΔD ";
    print_number(out, mean.direction, 9, 6);
    out << "  (means over " << changes.size() << " layers)\n";
  }
}

void print(const AnalyzeReport& report, const AnalyzeRequest& request, std::ostream& out) {
  for (const ChangeSeries& series : report.series) {
    out << series.name << '\n';
    for (const Axis& axis : kAxes) {
      if (!wants(request, axis)) continue;
      const ChangeTrend& trend = series.*axis.all;
      out << "  " << axis.name << " axis: correlation of ΔM and ΔD";
      print_number(out, trend.pearson, 8, 3);
      out << ", slope ";
      print_number(out, trend.slope, 8, 3);
      out << " over " << series.records.size() << " points\n";
      print_steps(series, axis, out);
    }
  }
}

}  // namespace

int analyze_command(const Arguments& arguments, const Streams& streams) {
  AnalyzeRequest request;
  const ReadArguments read =
      read_arguments(kText, analyze_fields(), &request, arguments, streams.out);
  if (read.done) return 0;
  const StopSignals signals;
  AnalyzeReport report;
  {
    ProgressLine progress(streams.errors, standard_error_columns());
    report = analyze(request, progress, signals.token());
  }
  if (read.json) {
    streams.out << to_json(report, request).dump(2) << '\n';
  } else if (!report.stopped) {
    print(report, request, streams.out);
  }
  return report.stopped ? 1 : 0;
}

}  // namespace dorabooth
