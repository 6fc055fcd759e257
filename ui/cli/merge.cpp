// dorabooth merge
#include "pipelines/merge.h"

#include <nlohmann/json.hpp>

#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/device/device.h"
#include "ui/cli/arguments.h"
#include "ui/cli/commands.h"
#include "ui/cli/progress_line.h"
#include "ui/cli/stop_signals.h"

namespace dorabooth {

namespace {

const CommandText kText = {
    "merge", "Write a base with adapters merged into its weights.", "",
    /*has_json=*/true,
    /*example=*/{},
    /*usual=*/{},
    /*dry_run=*/
    "Write nothing: read the adapters against the base, and say how many tensors and bytes the "
    "merge would write and whether the disk has room for them."};

// What a merge would take; exit status 1 where it would not work.
int show_plan(const MergeRequest& request, bool as_json, const Streams& streams) {
  MergePlan plan = plan_merge(request);
  const std::string target =
      request.layout == "diffusers" ? request.output_dir.value_or("") : request.output.value_or("");
  if (plan.problems.empty() && plan.bytes > plan.free_bytes) {
    plan.problems.push_back({request.layout == "diffusers" ? "output_dir" : "output",
                             concat(target, ": the merged model takes ", bytes_text(plan.bytes),
                                    ", the disk has ", bytes_text(plan.free_bytes))});
  }
  if (as_json) {
    nlohmann::json problems = nlohmann::json::array();
    for (const FieldProblem& problem : plan.problems)
      problems.push_back({{"field", problem.field}, {"message", problem.message}});
    streams.out << nlohmann::json{{"path", target},
                                  {"tensors", plan.tensors},
                                  {"bytes", plan.bytes},
                                  {"free_bytes", plan.free_bytes},
                                  {"problems", problems}}
                       .dump(2)
                << '\n';
  } else if (plan.problems.empty()) {
    streams.out << target << "  " << plan.tensors << " tensors, " << bytes_text(plan.bytes)
                << "; free: " << bytes_text(plan.free_bytes) << '\n';
  } else {
    for (const FieldProblem& problem : plan.problems)
      streams.errors << "dorabooth merge: " << problem.message << '\n';
  }
  return plan.problems.empty() ? 0 : 1;
}

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
  if (read.dry_run) return show_plan(request, read.json, streams);
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
