// dorabooth extract, dorabooth resize
#include "pipelines/extract.h"

#include <iomanip>
#include <nlohmann/json.hpp>

#include "ui/cli/arguments.h"
#include "ui/cli/commands.h"
#include "ui/cli/progress_line.h"
#include "ui/cli/stop_signals.h"

namespace dorabooth {

namespace {

const CommandText kExtract = {
    "extract", "A LoRA or DoRA out of a fully trained model and the base that it began as.", "",
    true,
    "dorabooth extract --pretrained_model_name_or_path base --checkpoint trained --rank 32 "
    "--output "
    "extracted.safetensors"};
const CommandText kResize = {
    "resize", "An adapter of another rank: the nearest update, with the same magnitudes.", "", true,
    "dorabooth resize --pretrained_model_name_or_path base --adapter_path dora --rank 8 --output "
    "dora8.safetensors"};

nlohmann::json to_json(const FitReport& report) {
  nlohmann::json layers = nlohmann::json::array();
  for (const FittedLayer& layer : report.layers) {
    layers.push_back(
        {{"module", layer.module}, {"rank", layer.rank}, {"residual", layer.residual}});
  }
  return {
      {"path", report.path},         {"kind", report.kind},           {"layers", layers},
      {"residual", report.residual}, {"unchanged", report.unchanged}, {"stopped", report.stopped}};
}

int finish(const FitReport& report, bool json, const Streams& streams) {
  if (json) {
    streams.out << to_json(report).dump(2) << '\n';
  } else if (!report.stopped) {
    const FittedLayer* worst = nullptr;
    for (const FittedLayer& layer : report.layers) {
      if (!worst || layer.residual > worst->residual) worst = &layer;
    }
    streams.out << report.path << "  " << report.kind << ", " << report.layers.size()
                << " layers; left out: " << std::setprecision(3) << 100.0 * report.residual
                << " % of the change";
    if (worst)
      streams.out << ", at most " << 100.0 * worst->residual << " % (" << worst->module << ")";
    streams.out << '\n';
    if (report.unchanged > 0) {
      streams.out << report.unchanged << " layers are those of the base and were left out\n";
    }
  }
  return report.stopped ? 1 : 0;
}

}  // namespace

int extract_command(const Arguments& arguments, const Streams& streams) {
  ExtractRequest request;
  const ReadArguments read =
      read_arguments(kExtract, extract_fields(), &request, arguments, streams.out);
  if (read.done) return 0;
  const StopSignals signals;
  FitReport report;
  {
    ProgressLine progress(streams.errors, standard_error_columns());
    report = extract(request, progress, signals.token());
  }
  return finish(report, read.json, streams);
}

int resize_command(const Arguments& arguments, const Streams& streams) {
  ResizeRequest request;
  const ReadArguments read =
      read_arguments(kResize, resize_fields(), &request, arguments, streams.out);
  if (read.done) return 0;
  const StopSignals signals;
  FitReport report;
  {
    ProgressLine progress(streams.errors, standard_error_columns());
    report = resize(request, progress, signals.token());
  }
  return finish(report, read.json, streams);
}

}  // namespace dorabooth
