// One pass over the base's tensors: read, merge, write. Nothing is visible under the output's name
// before all of it is written.
#include "pipelines/merge.h"

#include <ATen/ATen.h>

#include <nlohmann/json.hpp>

#include "pipelines/parts/base_loading.h"
#include "pipelines/parts/merge_output.h"
#include "pipelines/parts/merge_proof.h"
#include "pipelines/parts/merge_source.h"
#include "pipelines/parts/step_meter.h"
#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/device/device.h"

namespace dorabooth {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

void check_request(const MergeRequest& request) {
  if (const auto problems = problems_of(request); !problems.empty())
    throw UsageError(problems.front().message);
}

fs::path target_of(const MergeRequest& request) {
  return request.layout == "diffusers" ? *request.output_dir : *request.output;
}

void check_target(const MergeRequest& request) {
  const fs::path target = target_of(request);
  if (!fs::exists(target)) return;
  const fs::path base = request.pretrained_model_name_or_path;
  if (fs::exists(base) && fs::equivalent(target, base)) {
    fail(target.string(), " is the base itself: give another output");
  }
  const bool ours =
      request.layout != "diffusers"
          ? fs::is_regular_file(target)
          : fs::is_directory(target) && (fs::is_empty(target) || fs::exists(target / kReceiptName));
  if (!ours)
    fail(target.string(), " exists and is no earlier result of merge: give another output");
}

json receipt_json(const MergeRequest& request, const MergeSource& source,
                  const std::vector<MergedLayer>& layers, double largest_forward_error) {
  json receipt = {{"base", request.pretrained_model_name_or_path},
                  {"adapters", source.receipt()},
                  {"strength_rule", request.strength_rule},
                  {"layout", request.layout},
                  {"dtype", request.dtype.value_or("each tensor's own")},
                  {"largest_forward_error", largest_forward_error}};
  for (const MergedLayer& layer : layers) {
    receipt["layers"][layer.module] = {{"largest_change", layer.largest_change},
                                       {"rounding", layer.rounding},
                                       {"forward_error", layer.forward_error}};
  }
  return receipt;
}

Checkpoint open_base(const MergeRequest& request) {
  return Checkpoint::open(request.pretrained_model_name_or_path, request.variant.value_or(""),
                          request.config_dir.value_or(""));
}

MergeSource open_adapters(const Checkpoint& base, const MergeRequest& request, const Log& log) {
  return MergeSource(base, request.adapter_path, parse_strength_rule(request.strength_rule),
                     request, log);
}

MergeOutput plan_output(const Checkpoint& base, const MergeRequest& request) {
  std::optional<at::ScalarType> dtype;
  if (request.dtype) dtype = dtype_of_name(*request.dtype);
  return MergeOutput(base, request.layout, target_of(request), dtype,
                     !request.adapter_path.empty());
}

}  // namespace

MergePlan plan_merge(const MergeRequest& request) {
  MergePlan plan;
  plan.problems = problems_of(request);
  if (!plan.problems.empty()) return plan;
  // The field that the next lines read.
  std::string field = request.layout == "diffusers" ? "output_dir" : "output";
  try {
    check_target(request);
    field = "pretrained_model_name_or_path";
    const Checkpoint base = open_base(request);
    field = "adapter_path";
    open_adapters(base, request, Log());
    field = "layout";
    const MergeOutput output = plan_output(base, request);
    plan.tensors = output.tensor_count();
    plan.bytes = output.bytes();
    plan.free_bytes = free_disk_bytes(fs::absolute(target_of(request)).parent_path());
  } catch (const std::exception& error) {
    plan.problems.push_back({field, error.what()});
  }
  return plan;
}

MergeReport write_merged(const MergeRequest& request, Progress& progress, std::stop_token stop) {
  check_request(request);
  open_device("cpu");
  check_target(request);
  const Log log = log_to(progress);
  const Checkpoint checkpoint = open_base(request);
  for (const std::string& note : checkpoint.notes()) log.info(note);
  const MergeSource source = open_adapters(checkpoint, request, log);

  MergeReport report;
  report.ignored_keys = source.ignored_keys();
  const fs::path target = target_of(request);
  MergeOutput output = plan_output(checkpoint, request);
  report.tensors = output.tensor_count();
  StepMeter meter(progress, "merge", report.tensors);
  output.write(
      [&](Component component, const std::string& name, at::ScalarType type, uint64_t offset) {
        at::Tensor tensor = source.tensor(component, name, {type, offset}, report.layers);
        meter.step();
        return tensor;
      },
      stop);
  if (stop.stop_requested()) {
    report.stopped = true;
    return report;
  }
  for (const MergedLayer& layer : report.layers) {
    report.largest_forward_error = std::max(report.largest_forward_error, layer.forward_error);
  }
  const json receipt = receipt_json(request, source, report.layers, report.largest_forward_error);
  output.publish(receipt.dump(2) + "\n");
  report.path = target.string();
  report.receipt = output.receipt_path().string();
  if (report.layers.size() < source.modules().size()) {
    log.warning(concat(source.modules().size() - report.layers.size(), " of ",
                       source.modules().size(),
                       " adapted modules lie in text encoders, which the layout ", request.layout,
                       " does not hold"));
  }
  progress.on(SavedEvent{report.path});
  return report;
}

MergeReport merge(const MergeRequest& request, Progress& progress, std::stop_token stop) {
  MergeReport report = write_merged(request, progress, stop);
  if (report.stopped) return report;
  report.largest_pixel_difference = merged_picture_difference(request, log_to(progress), stop);
  return report;
}

}  // namespace dorabooth
