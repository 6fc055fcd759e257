// dorabooth mark
#include <nlohmann/json.hpp>

#include "pipelines/mark_pictures.h"
#include "ui/cli/arguments.h"
#include "ui/cli/commands.h"
#include "ui/cli/progress_line.h"
#include "ui/cli/stop_signals.h"

namespace dorabooth {

namespace {

const CommandText kText = {
    "mark",
    "Draw a rounded frame and a badge on every picture of a folder, and the mark alone as a "
    "template for match.",
    "", true, "dorabooth mark --instance_data_dir icons --output_dir marked"};

}  // namespace

int mark_command(const Arguments& arguments, const Streams& streams) {
  MarkRequest request;
  const ReadArguments read = read_arguments(kText, mark_fields(), &request, arguments, streams.out);
  if (read.done) return 0;
  const StopSignals signals;
  MarkReport report;
  {
    ProgressLine progress(streams.errors, standard_error_columns());
    report = mark_pictures(request, progress, signals.token());
  }
  if (read.json) {
    streams.out << nlohmann::json{{"pictures", report.pictures}, {"stopped", report.stopped}}.dump(
                       2)
                << '\n';
  } else if (!report.stopped) {
    streams.out << report.pictures << " pictures in " << request.output_dir << "/pictures\n";
  }
  return report.stopped ? 1 : 0;
}

}  // namespace dorabooth
