// dorabooth bench
#include "pipelines/bench.h"

#include <signal.h>

#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>

#include "src/base/error.h"
#include "ui/cli/arguments.h"
#include "ui/cli/commands.h"
#include "ui/cli/progress_line.h"
#include "ui/cli/stop_signals.h"

namespace dorabooth {

namespace {

const CommandText kText = {
    "bench", "Time a frozen product, a layer, a training step, a sampling step, a load or a merge.",
    "what", true};

nlohmann::json to_json(const BenchReport& report) {
  nlohmann::json lines = nlohmann::json::array();
  for (const BenchLine& line : report.lines)
    lines.push_back({{"what", line.what},
                     {"variant", line.variant},
                     {"cpu_seconds_min", line.cpu_seconds_min},
                     {"cpu_seconds_median", line.cpu_seconds_median},
                     {"wall_seconds_median", line.wall_seconds_median},
                     {"peak_mb", line.peak_mb},
                     {"extra_mb", line.extra_mb}});
  nlohmann::json ratios = nlohmann::json::array();
  for (const BenchRatio& ratio : report.ratios)
    ratios.push_back({{"variant", ratio.variant}, {"to", ratio.to}, {"cpu", ratio.cpu}});
  return {{"lines", lines}, {"ratios", ratios}, {"stopped", report.stopped}};
}

void print(const BenchReport& report, std::ostream& out) {
  out << std::left << std::setw(10) << "what" << std::setw(10) << "variant" << std::right
      << std::setw(12) << "cpu s min" << std::setw(14) << "cpu s median" << std::setw(15)
      << "wall s median" << std::setw(10) << "peak MB" << std::setw(10) << "extra MB" << '\n'
      << std::fixed;
  for (const BenchLine& line : report.lines)
    out << std::left << std::setw(10) << line.what << std::setw(10) << line.variant << std::right
        << std::setprecision(5) << std::setw(12) << line.cpu_seconds_min << std::setw(14)
        << line.cpu_seconds_median << std::setw(15) << line.wall_seconds_median
        << std::setprecision(0) << std::setw(10) << line.peak_mb << std::setw(10) << line.extra_mb
        << '\n';
  for (const BenchRatio& ratio : report.ratios)
    out << ratio.variant << " / " << ratio.to << "  " << std::setprecision(3) << ratio.cpu
        << "  (processor time, median over rounds)\n";
}

}  // namespace

int bench_command(const Arguments& arguments, const Streams& streams) {
  BenchRequest request;
  const ReadArguments read =
      read_arguments(kText, bench_fields(), &request, arguments, streams.out);
  if (read.done) return 0;
  const StopSignals signals;
  BenchReport report;
  {
    ProgressLine progress(streams.errors, standard_error_columns());
    report = bench(request, progress, signals.token());
  }
  if (read.json) {
    streams.out << to_json(report).dump(2) << '\n';
  } else {
    print(report, streams.out);
  }
  return report.stopped ? 1 : 0;
}

int bench_worker_command(const Arguments& arguments, const Streams& streams) {
  if (arguments.size() != 1) throw UsageError("bench-worker is started by bench");
  // Ctrl-C reaches every process of the terminal; the one that asked decides.
  signal(SIGINT, SIG_IGN);
  serve_bench(arguments[0], std::cin, streams.out);
  return 0;
}

}  // namespace dorabooth
