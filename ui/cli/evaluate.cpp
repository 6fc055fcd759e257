// dorabooth evaluate
#include "pipelines/evaluate.h"

#include <iomanip>
#include <nlohmann/json.hpp>

#include "src/device/device.h"
#include "ui/cli/arguments.h"
#include "ui/cli/commands.h"
#include "ui/cli/progress_line.h"
#include "ui/cli/stop_signals.h"

namespace dorabooth {

namespace {

const CommandText kText = {
    "evaluate",
    "Denoising loss of base and adapters on captioned pictures, at fixed noise and timesteps.", "",
    true};

nlohmann::json to_json(const EvaluateReport& report) {
  nlohmann::json rows = nlohmann::json::array();
  for (const EvaluateRow& row : report.rows)
    rows.push_back({{"name", row.name},
                    {"loss", row.loss},
                    {"relative_to_base", row.relative_to_base},
                    {"loss_by_timestep", row.loss_by_timestep}});
  return {{"rows", rows},
          {"pictures", report.pictures},
          {"timesteps", report.timesteps},
          {"stopped", report.stopped}};
}

void print(const EvaluateReport& report, std::ostream& out) {
  out << report.pictures << " pictures\n" << std::fixed;
  for (const EvaluateRow& row : report.rows) {
    out << std::left << std::setw(12) << row.name << " loss " << std::setprecision(5) << row.loss;
    if (row.name != "base")
      out << "  " << std::showpos << std::setprecision(1) << 100.0 * row.relative_to_base << " %"
          << std::noshowpos;
    out << '\n';
  }
}

// A line a timestep: the base's loss, and each adapter's beside its change against the base's.
void print_timesteps(const EvaluateReport& report, std::ostream& out) {
  out << "timestep" << std::fixed;
  for (const EvaluateRow& row : report.rows)
    out << std::right << std::setw(row.name == "base" ? 10 : 20) << row.name;
  out << '\n';
  for (size_t k = 0; k < report.timesteps.size(); ++k) {
    out << std::setw(8) << report.timesteps[k];
    const double base = report.rows.front().loss_by_timestep[k];
    for (const EvaluateRow& row : report.rows) {
      const double loss = row.loss_by_timestep[k];
      out << std::setw(10) << std::setprecision(5) << loss;
      if (row.name != "base")
        out << std::setw(8) << std::showpos << std::setprecision(1) << 100.0 * (loss / base - 1.0)
            << std::noshowpos << " %";
    }
    out << '\n';
  }
}

}  // namespace

int evaluate_command(const Arguments& arguments, const Streams& streams) {
  EvaluateRequest request;
  const ReadArguments read =
      read_arguments(kText, evaluate_fields(), &request, arguments, streams.out);
  if (read.done) return 0;
  open_device(request.device);
  const StopSignals signals;
  EvaluateReport report;
  {
    ProgressLine progress(streams.errors, standard_error_columns());
    report = evaluate(request, progress, signals.token());
  }
  if (read.json) {
    streams.out << to_json(report).dump(2) << '\n';
  } else if (!report.stopped) {
    print(report, streams.out);
    if (request.by_timestep) print_timesteps(report, streams.out);
  }
  return report.stopped ? 1 : 0;
}

}  // namespace dorabooth
