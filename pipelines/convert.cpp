// Reading gives the adapter's meaning, a writer puts it down for one reader.
#include "pipelines/convert.h"

#include <ATen/ATen.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "pipelines/parts/adapter_weights.h"
#include "pipelines/parts/checkpoint_layers.h"
#include "pipelines/parts/consumer_table.h"
#include "pipelines/parts/step_meter.h"
#include "src/adapter/adapter_file.h"
#include "src/adapter/adapter_header.h"
#include "src/adapter/nearest_factors.h"
#include "src/adapter/vera.h"
#include "src/base/error.h"
#include "src/device/device.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

void check(const ConvertRequest& request) {
  if (request.adapter_path.empty()) throw UsageError("--adapter_path is missing");
  if (request.pretrained_model_name_or_path.empty()) {
    throw UsageError(
        "--pretrained_model_name_or_path is missing: the base that the adapter is for");
  }
  const bool folder = request.to == "peft";
  const auto& wanted = folder ? request.output_dir : request.output;
  if (wanted.value_or("").empty() || (folder ? request.output : request.output_dir)) {
    throw UsageError(folder ? "--to peft writes folders: give --output_dir and no --output"
                            : concat("--to ", request.to,
                                     " writes one file: give --output and no --output_dir"));
  }
}

fs::path target_of(const ConvertRequest& request) {
  return request.to == "peft" ? *request.output_dir : *request.output;
}

// VeRA and DVoRA as the LoRA and DoRA that they equal.
void make_plain(AdapterFile& file) {
  if (!file.spec.is_vera()) return;
  file.spec.kind = file.spec.has_magnitude() ? "dora" : "lora";
  file.modules = vera_as_lora(file.modules);
}

std::string summary_of(const AdapterFile& file) {
  const bool dora = file.spec.kind == "dora";
  return concat(dora ? concat("DoRA (", file.spec.norm_axis, " axis)") : "LoRA", ", ",
                file.modules.size(), " modules, from ", file.format, " names");
}

std::map<std::string, RowNorms> row_norms(const AdapterFile& file, const Checkpoint& base,
                                          Progress& progress, const std::stop_token& stop) {
  std::map<std::string, RowNorms> norms;
  StepMeter meter(progress, "measure norms", static_cast<int64_t>(file.modules.size()));
  for (const auto& [module, own] : file.modules) {
    if (stop.stop_requested()) break;
    const at::Tensor weight = base_weight(base, module);
    // The LoRA inside it gives W + s·B·A.
    AdapterFile plain;
    plain.spec = file.spec;
    plain.spec.kind = "lora";
    plain.modules[module] = own;
    plain.modules[module].m = at::Tensor();
    const at::Tensor changed =
        own.a.size(0) > 0 ? AdaptedWeight(plain, module, weight).merged() : weight;
    norms[module] = {weight.norm(2, {1}), changed.norm(2, {1})};
    meter.step();
  }
  return norms;
}

// The LoRA of the given rank that is nearest to the adapter.
AdapterFile nearest_lora(const AdapterFile& file, const ConvertRequest& request,
                         const Checkpoint& base, ConvertReport& report, Progress& progress,
                         const std::stop_token& stop) {
  AdapterFile result;
  result.spec = file.spec;
  result.spec.kind = "lora";
  result.spec.rank = request.rank;
  result.spec.alpha.reset();
  result.spec.use_rslora = false;
  result.spec.rank_pattern.clear();
  result.spec.alpha_pattern.clear();
  result.spec.magnitude_only_modules.clear();
  double residual = 0.0;
  double whole = 0.0;
  StepMeter meter(progress, "decompose", static_cast<int64_t>(file.modules.size()));
  for (const auto& [module, own] : file.modules) {
    if (stop.stop_requested()) break;
    const at::Tensor weight = base_weight(base, module);
    const at::Tensor change = AdaptedWeight(file, module, weight).merged() - weight;
    const NearestFactors nearest = nearest_factors(change, request.rank);
    AdapterTensors& lora = result.modules[module];
    lora.a = nearest.a;
    lora.b = nearest.b;
    lora.alpha = static_cast<double>(nearest.a.size(0));
    residual += nearest.residual * nearest.residual;
    whole += nearest.norm * nearest.norm;
    const double share = nearest.norm > 0 ? nearest.residual / nearest.norm : 0.0;
    if (share > report.worst_residual || report.worst_layer.empty()) {
      report.worst_residual = share;
      report.worst_layer = module;
    }
    meter.step();
  }
  report.residual = whole > 0 ? std::sqrt(residual / whole) : 0.0;
  return result;
}

// What the file was written for, among the consumers.
std::vector<Consumer> readers_of(const std::string& to, bool is_dora) {
  if (to == "diffusers") return {Consumer::kDiffusers};
  if (to == "peft") return {Consumer::kPeft};
  if (to == "comfyui") return {Consumer::kComfyUi};
  if (to == "lora-svd") return {};
  if (is_dora) return {Consumer::kSdNext, Consumer::kLycoris};
  return {Consumer::kDiffusers, Consumer::kComfyUi, Consumer::kA1111, Consumer::kKohyaMerge};
}

class Conversion {
 public:
  Conversion(const ConvertRequest& request, Progress& progress, std::stop_token stop)
      : request_(request),
        progress_(progress),
        stop_(std::move(stop)),
        base_(
            Checkpoint::open(request.pretrained_model_name_or_path, request.variant.value_or(""))),
        layers_(checkpoint_layers(base_, shapes_)) {}

  ConvertReport run() {
    AdapterFile file = read_adapter_file(request_.adapter_path, layers_);
    const fs::path target = target_of(request_);
    if (fs::exists(target) && fs::equivalent(target, file.path)) {
      fail(target.string(), " is the adapter itself: give another output");
    }
    make_plain(file);
    report_.summary = summary_of(file);
    report_.modules = static_cast<int64_t>(file.modules.size());
    write(file, target);
    if (stop_.stop_requested()) {
      report_.stopped = true;
      return std::move(report_);
    }
    report_.path = target.string();
    progress_.on(SavedEvent{report_.path});
    if (request_.verify) verify(file, target);
    report_.stopped = stop_.stop_requested();
    return std::move(report_);
  }

 private:
  void write(const AdapterFile& file, const fs::path& target) {
    const auto metadata = metadata_of_origin(file.metadata);
    if (target.has_parent_path()) fs::create_directories(target.parent_path());
    if (request_.to == "diffusers") {
      write_diffusers_adapter(target, file.spec, file.modules, metadata);
    } else if (request_.to == "peft") {
      write_peft_folders(target, file.spec, file.modules);
    } else if (request_.to == "comfyui") {
      const auto norms = row_norms(file, base_, progress_, stop_);
      if (stop_.stop_requested()) return;
      write_comfyui_adapter(target, file.spec, file.modules, norms, metadata);
    } else if (request_.to == "lora-svd") {
      const AdapterFile lora = nearest_lora(file, request_, base_, report_, progress_, stop_);
      if (stop_.stop_requested()) return;
      write_kohya_adapter(target, lora.spec, lora.modules, metadata);
    } else {
      write_kohya_adapter(target, file.spec, file.modules, metadata,
                          request_.to == "kohya-sgm" ? BlockNames::kSgm : BlockNames::kDiffusers);
    }
  }

  void verify(const AdapterFile& file, const fs::path& target) {
    const StoredAdapter written = read_written(target);
    const ConsumerTable table = judge_consumers(written, file, base_, progress_, stop_);
    if (stop_.stop_requested()) return;
    report_.verdicts = reader_verdicts(table);
    for (const Consumer reader : readers_of(request_.to, file.spec.kind == "dora")) {
      report_.is_right = report_.is_right && table.of(reader).is_right();
    }
    report_.verdicts_json = consumer_table_json(table).dump();
  }

  StoredAdapter read_written(const fs::path& target) const {
    if (request_.to != "peft") return read_stored_adapter(target, layers_);
    StoredAdapter all;
    for (const auto& folder : fs::directory_iterator(target)) {
      if (!fs::exists(folder.path() / "adapter_config.json")) continue;
      StoredAdapter one = read_stored_adapter(folder.path(), layers_);
      all.layout = one.layout;
      all.modules.merge(one.modules);
      all.configs.merge(one.configs);
    }
    return all;
  }

  const ConvertRequest& request_;
  Progress& progress_;
  std::stop_token stop_;
  Checkpoint base_;
  std::vector<std::unique_ptr<nn::Linear>> shapes_;
  LinearLayers layers_;
  ConvertReport report_;
};

}  // namespace

ConvertReport convert(const ConvertRequest& request, Progress& progress, std::stop_token stop) {
  check(request);
  open_device("cpu");
  return Conversion(request, progress, std::move(stop)).run();
}

}  // namespace dorabooth
