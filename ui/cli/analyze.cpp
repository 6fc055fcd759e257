// dorabooth analyze
#include "pipelines/analyze.h"

#include <cmath>
#include <iomanip>
#include <map>
#include <nlohmann/json.hpp>

#include "pipelines/analysis_text.h"
#include "ui/cli/arguments.h"
#include "ui/cli/commands.h"
#include "ui/cli/progress_line.h"
#include "ui/cli/stop_signals.h"

namespace dorabooth {

namespace {

const CommandText kText = {
    "analyze",
    "How far training moved the weights in magnitude (ΔM) and in direction (ΔD), and how the two "
    "go together: the DoRA paper's eq. 2 to 4.",
    "", true, "dorabooth analyze --pretrained_model_name_or_path assets/base --run out/quickstart"};

struct Axis {
  const char* name;  // of the option
  WeightChange LayerChange::*change;
  ChangeTrend ChangeSeries::*all;
};
constexpr Axis kAxes[] = {{"output", &LayerChange::output, &ChangeSeries::output},
                          {"input", &LayerChange::input, &ChangeSeries::input}};

bool wants(const AnalyzeRequest& request, const Axis& axis) {
  return request.norm_axis == "both" || request.norm_axis == axis.name;
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
    streams.out << analysis_json(report, request.norm_axis).dump(2) << '\n';
  } else if (!report.stopped) {
    print(report, request, streams.out);
  }
  return report.stopped ? 1 : 0;
}

}  // namespace dorabooth
