// dorabooth convert
#include "pipelines/convert.h"

#include <iomanip>
#include <nlohmann/json.hpp>

#include "ui/cli/arguments.h"
#include "ui/cli/commands.h"
#include "ui/cli/progress_line.h"
#include "ui/cli/stop_signals.h"

namespace dorabooth {

namespace {

const CommandText kText = {
    "convert", "Write an adapter again for another program.", "", true,
    "dorabooth convert --pretrained_model_name_or_path sdxl-base --adapter_path dora --to comfyui "
    "--output dora_comfyui.safetensors --verify"};

nlohmann::json to_json(const ConvertReport& report) {
  nlohmann::json json = {
      {"path", report.path},       {"summary", report.summary},
      {"modules", report.modules}, {"consumers", nlohmann::json::parse(report.verdicts_json)},
      {"right", report.is_right},  {"ignored_keys", report.ignored_keys},
      {"stopped", report.stopped}};
  if (report.residual) {
    json["residual"] = *report.residual;
    json["worst_residual"] = report.worst_residual;
    json["worst_layer"] = report.worst_layer;
  }
  return json;
}

void print(const ConvertReport& report, std::ostream& out) {
  out << report.path << "  " << report.summary << '\n' << std::setprecision(3);
  if (report.residual) {
    out << "left out by the rank: " << 100.0 * *report.residual << " % of the change, at most "
        << 100.0 * report.worst_residual << " % (" << report.worst_layer << ")\n";
  }
  for (const ReaderVerdict& verdict : report.verdicts) {
    out << "  " << std::left << std::setw(22) << verdict.consumer << verdict.sentence << '\n';
  }
}

}  // namespace

int convert_command(const Arguments& arguments, const Streams& streams) {
  ConvertRequest request;
  const ReadArguments read =
      read_arguments(kText, convert_fields(), &request, arguments, streams.out);
  if (read.done) return 0;
  const StopSignals signals;
  ConvertReport report;
  {
    ProgressLine progress(streams.errors, standard_error_columns());
    report = convert(request, progress, signals.token());
  }
  if (read.json) {
    streams.out << to_json(report).dump(2) << '\n';
  } else if (!report.stopped) {
    print(report, streams.out);
  }
  return report.stopped || !report.is_right ? 1 : 0;
}

}  // namespace dorabooth
