// dorabooth sample
#include "pipelines/sample.h"

#include <nlohmann/json.hpp>

#include "src/device/device.h"
#include "ui/cli/arguments.h"
#include "ui/cli/commands.h"
#include "ui/cli/progress_line.h"
#include "ui/cli/stop_signals.h"

namespace dorabooth {

namespace {

const CommandText kText = {"sample", "Draw pictures from prompts at fixed seeds.", "", true};

nlohmann::json to_json(const SampleReport& report) {
  nlohmann::json pictures = nlohmann::json::array();
  for (const SampledPicture& picture : report.pictures)
    pictures.push_back({{"path", picture.path},
                        {"prompt", picture.prompt},
                        {"seed", picture.seed},
                        {"index", picture.index}});
  return {{"pictures", pictures}, {"sheet", report.sheet}, {"stopped", report.stopped}};
}

}  // namespace

int sample_command(const Arguments& arguments, const Streams& streams) {
  SampleRequest request;
  const ReadArguments read =
      read_arguments(kText, sample_fields(), &request, arguments, streams.out);
  if (read.done) return 0;
  if (request.from && !request.prompts_file) request = with_picture(request, read.given);
  open_device(request.device);
  const StopSignals signals;
  SampleReport report;
  {
    ProgressLine progress(streams.errors, standard_error_columns());
    report = sample(request, progress, signals.token());
  }
  if (read.json) {
    streams.out << to_json(report).dump(2) << '\n';
  } else {
    for (const SampledPicture& picture : report.pictures)
      streams.out << picture.path << "  seed " << picture.seed << "  " << picture.prompt << '\n';
  }
  return report.stopped ? 1 : 0;
}

}  // namespace dorabooth
