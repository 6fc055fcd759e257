// dorabooth restyle
#include "pipelines/restyle.h"

#include <nlohmann/json.hpp>

#include "ui/cli/arguments.h"
#include "ui/cli/commands.h"
#include "ui/cli/progress_line.h"
#include "ui/cli/stop_signals.h"

namespace dorabooth {

namespace {

const CommandText kText = {
    "restyle", "Draw flat pictures again in many styles, by program, with captions that name them.",
    "", true,
    "dorabooth restyle --instance_data_dir icons --styles_per_image 8 --output_dir styled"};

}  // namespace

int restyle_command(const Arguments& arguments, const Streams& streams) {
  RestyleRequest request;
  const ReadArguments read =
      read_arguments(kText, restyle_fields(), &request, arguments, streams.out);
  if (read.done) return 0;
  const StopSignals signals;
  RestyleReport report;
  {
    ProgressLine progress(streams.errors, standard_error_columns());
    report = restyle(request, progress, signals.token());
  }
  if (read.json) {
    streams.out << nlohmann::json{{"sources", report.sources},
                                  {"pictures", report.pictures},
                                  {"stopped", report.stopped}}
                       .dump(2)
                << '\n';
  } else if (!report.stopped) {
    streams.out << report.pictures << " pictures in " << request.output_dir << '\n';
  }
  return report.stopped ? 1 : 0;
}

}  // namespace dorabooth
