// dorabooth pretrain
#include "pipelines/pretrain.h"

#include <nlohmann/json.hpp>

#include "src/device/device.h"
#include "ui/cli/arguments.h"
#include "ui/cli/commands.h"
#include "ui/cli/progress_line.h"
#include "ui/cli/stop_signals.h"

namespace dorabooth {

namespace {

const CommandText kText = {
    "pretrain",
    "Train a small base of one's own from nothing, stage by stage: vocabulary, autoencoder, UNet "
    "with both text encoders.",
    "", true};

nlohmann::json to_json(const PretrainReport& report) {
  return {{"steps", report.steps},           {"stopped", report.stopped},
          {"last_loss", report.last_loss},   {"seconds", report.seconds},
          {"checkpoint", report.checkpoint}, {"path", report.path}};
}

void print(const PretrainReport& report, std::ostream& out) {
  if (report.stopped) {
    out << "stopped after " << report.steps << " steps";
    if (!report.checkpoint.empty())
      out << "; go on with --resume_from_checkpoint " << report.checkpoint;
    out << '\n';
    return;
  }
  out << report.path;
  if (report.steps > 0) out << "  " << report.steps << " steps, loss " << report.last_loss;
  out << '\n';
}

}  // namespace

int pretrain_command(const Arguments& arguments, const Streams& streams) {
  PretrainConfig config;
  const ReadArguments read =
      read_arguments(kText, pretrain_fields(), &config, arguments, streams.out);
  if (read.done) return 0;
  open_device("cpu");
  const StopSignals signals;
  PretrainReport report;
  {
    ProgressLine progress(streams.errors, standard_error_columns());
    report = pretrain(config, progress, signals.token());
  }
  if (read.json) {
    streams.out << to_json(report).dump(2) << '\n';
  } else {
    print(report, streams.out);
  }
  return report.stopped ? 1 : 0;
}

}  // namespace dorabooth
