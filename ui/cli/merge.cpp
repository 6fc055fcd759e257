// dorabooth merge
#include "pipelines/merge.h"

#include <nlohmann/json.hpp>

#include "src/device/device.h"
#include "ui/cli/arguments.h"
#include "ui/cli/commands.h"
#include "ui/cli/progress_line.h"
#include "ui/cli/stop_signals.h"

namespace dorabooth {

namespace {

const CommandText kText = {"merge", "Write a base with adapters merged into its weights.", "",
                           true};

nlohmann::json to_json(const MergeReport& report) {
  nlohmann::json layers = nlohmann::json::array();
  for (const MergedLayer& layer : report.layers)
    layers.push_back({{"module", layer.module},
                      {"largest_change", layer.largest_change},
                      {"rounding", layer.rounding},
                      {"forward_error", layer.forward_error}});
  return {{"path", report.path},
          {"receipt", report.receipt},
          {"tensors", report.tensors},
          {"layers", layers},
          {"largest_forward_error", report.largest_forward_error},
          {"ignored_keys", report.ignored_keys},
          {"largest_pixel_difference", report.largest_pixel_difference
                                           ? nlohmann::json(*report.largest_pixel_difference)
                                           : nlohmann::json()},
          {"stopped", report.stopped}};
}

}  // namespace

int merge_command(const Arguments& arguments, const Streams& streams) {
  MergeRequest request;
  const ReadArguments read =
      read_arguments(kText, merge_fields(), &request, arguments, streams.out);
  if (read.done) return 0;
  open_device("cpu");
  const StopSignals signals;
  MergeReport report;
  {
    ProgressLine progress(streams.errors, standard_error_columns());
    report = merge(request, progress, signals.token());
  }
  if (read.json) {
    streams.out << to_json(report).dump(2) << '\n';
  } else if (!report.stopped) {
    if (report.layers.empty()) {
      streams.out << report.path << "  " << report.tensors << " tensors, none of them merged\n";
      return 0;
    }
    streams.out << report.path << "  " << report.layers.size()
                << " layers merged; largest error of a layer's output "
                << report.largest_forward_error << " of its largest value\n"
                << report.receipt << "  the error of each layer\n";
    if (report.largest_pixel_difference) {
      streams.out << "a picture of base + adapters and one of the merged model differ by at most "
                  << *report.largest_pixel_difference << " of 255\n";
    }
  }
  return report.stopped ? 1 : 0;
}

}  // namespace dorabooth
