// dorabooth compare
#include "pipelines/compare.h"

#include <nlohmann/json.hpp>

#include "src/device/device.h"
#include "ui/cli/arguments.h"
#include "ui/cli/commands.h"
#include "ui/cli/progress_line.h"
#include "ui/cli/stop_signals.h"

namespace dorabooth {

namespace {

const CommandText kText = {
    "compare", "Draw the same prompts and seeds with the base and with adapters, on one sheet.", "",
    true};

}  // namespace

int compare_command(const Arguments& arguments, const Streams& streams) {
  CompareRequest request;
  const ReadArguments read =
      read_arguments(kText, compare_fields(), &request, arguments, streams.out);
  if (read.done) return 0;
  open_device(request.device);
  const StopSignals signals;
  CompareReport report;
  {
    ProgressLine progress(streams.errors, standard_error_columns());
    report = compare(request, progress, signals.token());
  }
  if (read.json) {
    const nlohmann::json json = {
        {"sheet", report.sheet}, {"pictures", report.pictures}, {"stopped", report.stopped}};
    streams.out << json.dump(2) << '\n';
  } else if (!report.sheet.empty()) {
    streams.out << report.sheet << "  " << report.pictures.size() << " pictures\n";
  }
  return report.stopped ? 1 : 0;
}

}  // namespace dorabooth
