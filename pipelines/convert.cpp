// Reading gives the adapter's meaning, a writer puts it down for one reader.
#include "pipelines/convert.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "pipelines/parts/adapter_reading.h"
#include "pipelines/parts/adapter_weights.h"
#include "pipelines/parts/checkpoint_layers.h"
#include "pipelines/parts/consumer_table.h"
#include "pipelines/parts/step_meter.h"
#include "src/adapter/adapter_file.h"
#include "src/adapter/adapter_header.h"
#include "src/adapter/convolution_pairs.h"
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

std::string summary_of(const AdapterContents& contents) {
  const AdapterFile& file = contents.file;
  const bool dora = file.spec.kind == "dora";
  const std::string plain = dora ? concat("DoRA (", file.spec.norm_axis, " axis)") : "LoRA";
  return concat(contents.patches.empty() ? plain : contents.kinds(), ", ",
                contents.modules().size(), " modules, from ", file.format, " names");
}

void warn_of_left_embeddings(const AdapterContents& contents, const std::string& to,
                             const Log& log) {
  if (contents.embeddings.empty()) return;
  log.warning(concat(contents.file.path.string(), ": ", contents.embeddings.begin()->first,
                     " is an embedding, which --to ", to, " leaves out"));
}

std::map<std::string, RowNorms> row_norms(const AdapterContents& contents, const Checkpoint& base,
                                          Progress& progress, const std::stop_token& stop) {
  const AdapterFile& file = contents.file;
  std::map<std::string, RowNorms> norms;
  StepMeter meter(progress, "measure norms",
                  static_cast<int64_t>(file.modules.size() + contents.patches.size()));
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
  for (const WeightPatch& patch : contents.patches) {
    if (stop.stop_requested()) break;
    if (patch.magnitude.defined()) {
      const at::Tensor weight = base_weight(base, patch.module);
      norms[patch.module] = {direction_norms(weight, false),
                             direction_norms(weight + patch_update(patch, weight), false)};
    }
    meter.step();
  }
  return norms;
}

// LoRAs of the given rank that are nearest to an adapter's changes.
class NearestLora {
 public:
  NearestLora(const AdapterContents& contents, int64_t rank, ConvertReport& report)
      : contents_(contents), rank_(rank), report_(report) {
    AdapterSpec& spec = result_.file.spec;
    spec = contents.file.spec;
    spec.kind = "lora";
    spec.rank = rank;
    spec.alpha.reset();
    spec.use_rslora = false;
    spec.rank_pattern.clear();
    spec.alpha_pattern.clear();
    spec.magnitude_only_modules.clear();
  }

  AdapterContents make(const Checkpoint& base, Progress& progress, const std::stop_token& stop) {
    StepMeter meter(progress, "decompose", static_cast<int64_t>(contents_.modules().size()));
    for (const std::string& module : contents_.modules()) {
      if (stop.stop_requested()) break;
      if (!changes_weight(contents_, module)) continue;
      const at::Tensor weight = base_weight(base, module);
      add(module, changed_weight(contents_, module, weight) - weight);
      meter.step();
    }
    for (const WeightPatch& patch : contents_.patches) {
      if (patch.parameter.ends_with(".bias")) refuse(patch.parameter, patch.title());
    }
    report_.residual = whole_ > 0 ? std::sqrt(residual_ / whole_) : 0.0;
    return std::move(result_);
  }

 private:
  [[noreturn]] static void refuse(const std::string& parameter, const std::string& title) {
    fail(parameter, " has ", title,
         ", which no LoRA can stand for: --to kohya or comfyui keeps it");
  }

  // A convolution's factors are a convolution to `rank` channels and a 1×1 one from them.
  void add(const std::string& module, const at::Tensor& change) {
    if (change.dim() < 2) refuse(module, "a difference of a norm");
    const NearestFactors nearest = nearest_factors(change.flatten(1), rank_);
    const int64_t rank = nearest.a.size(0);
    if (change.dim() == 2) {
      AdapterTensors& lora = result_.file.modules[module];
      lora.a = nearest.a;
      lora.b = nearest.b;
      lora.alpha = static_cast<double>(rank);
    } else {
      std::vector<int64_t> shape = change.sizes().vec();
      WeightPatch& patch = result_.patches.emplace_back();
      patch.module = module;
      patch.parameter = module + ".weight";
      patch.algebra = Algebra::kLora;
      patch.shape = shape;
      shape[0] = rank;
      patch.factors[AdapterRole::kA] = nearest.a.reshape(shape);
      patch.factors[AdapterRole::kB] = nearest.b.reshape({change.size(0), rank, 1, 1});
    }
    residual_ += nearest.residual * nearest.residual;
    whole_ += nearest.norm * nearest.norm;
    const double share = nearest.norm > 0 ? nearest.residual / nearest.norm : 0.0;
    if (share > report_.worst_residual || report_.worst_layer.empty()) {
      report_.worst_residual = share;
      report_.worst_layer = module;
    }
  }

  const AdapterContents& contents_;
  int64_t rank_;
  ConvertReport& report_;
  AdapterContents result_;
  double residual_ = 0.0;
  double whole_ = 0.0;
};

// What the file was written for, among the consumers.
std::vector<Consumer> readers_of(const std::string& to, const AdapterContents& contents) {
  if (to == "diffusers") return {Consumer::kDiffusers};
  if (to == "peft") return {Consumer::kPeft};
  if (to == "comfyui") return {Consumer::kComfyUi};
  if (to == "lora-svd") return {};
  const bool has_magnitudes = contents.file.spec.kind == "dora" ||
                              std::ranges::any_of(contents.patches, [](const WeightPatch& patch) {
                                return patch.magnitude.defined();
                              });
  if (has_magnitudes) return {Consumer::kSdNext, Consumer::kLycoris};
  std::vector<Consumer> readers = {Consumer::kComfyUi, Consumer::kA1111, Consumer::kKohyaMerge};
  // diffusers refuses a file that brings embeddings.
  if (contents.embeddings.empty()) readers.push_back(Consumer::kDiffusers);
  return readers;
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
    AdapterContents contents = read_adapter_contents(
        request_.adapter_path, layers_, checkpoint_shapes(base_), request_, weights_of(base_));
    AdapterFile& file = contents.file;
    const fs::path target = target_of(request_);
    if (fs::exists(target) && fs::equivalent(target, file.path)) {
      fail(target.string(), " is the adapter itself: give another output");
    }
    make_plain(file);
    warn_of_ignored_keys(contents, log_);
    report_.ignored_keys = contents.ignored_keys;
    report_.summary = summary_of(contents);
    report_.modules = static_cast<int64_t>(contents.modules().size());
    write(contents, target);
    if (stop_.stop_requested()) {
      report_.stopped = true;
      return std::move(report_);
    }
    report_.path = target.string();
    progress_.on(SavedEvent{report_.path});
    if (request_.verify) verify(contents, target);
    report_.stopped = stop_.stop_requested();
    return std::move(report_);
  }

 private:
  void write(const AdapterContents& contents, const fs::path& target) {
    const AdapterFile& file = contents.file;
    const auto metadata = metadata_of_origin(file.metadata);
    const bool pairs_alone = request_.to == "diffusers" || request_.to == "peft";
    const AdapterFile pairs =
        pairs_alone ? with_convolution_pairs(contents, request_.to) : AdapterFile();
    if (pairs_alone || request_.to == "lora-svd") {
      warn_of_left_embeddings(contents, request_.to, log_);
    }
    if (target.has_parent_path()) fs::create_directories(target.parent_path());
    if (request_.to == "diffusers") {
      write_diffusers_adapter(target, pairs.spec, pairs.modules, metadata);
    } else if (request_.to == "peft") {
      write_peft_folders(target, pairs.spec, pairs.modules);
    } else if (request_.to == "comfyui") {
      const auto norms = row_norms(contents, base_, progress_, stop_);
      if (stop_.stop_requested()) return;
      write_kohya_contents(target, contents, &norms, metadata);
    } else if (request_.to == "lora-svd") {
      const AdapterContents lora =
          NearestLora(contents, request_.rank, report_).make(base_, progress_, stop_);
      if (stop_.stop_requested()) return;
      write_kohya_contents(target, lora, nullptr, metadata);
    } else {
      write_kohya_contents(target, contents, nullptr, metadata,
                           request_.to == "kohya-sgm" ? BlockNames::kSgm : BlockNames::kDiffusers);
    }
  }

  void verify(const AdapterContents& contents, const fs::path& target) {
    const StoredAdapter written = read_written(target);
    const ConsumerTable table = judge_consumers(written, contents, base_, progress_, stop_);
    if (stop_.stop_requested()) return;
    report_.verdicts = reader_verdicts(table);
    for (const Consumer reader : readers_of(request_.to, contents)) {
      report_.is_right = report_.is_right && !table.of(reader).is_wrong();
    }
    report_.verdicts_json = consumer_table_json(table).dump();
  }

  StoredAdapter read_written(const fs::path& target) const {
    const ParameterShapes shapes = checkpoint_shapes(base_);
    if (request_.to != "peft") return read_stored_adapter(target, shapes);
    StoredAdapter all;
    for (const auto& folder : fs::directory_iterator(target)) {
      if (!fs::exists(folder.path() / "adapter_config.json")) continue;
      StoredAdapter one = read_stored_adapter(folder.path(), shapes);
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
  const Log log_ = log_to(progress_);
  ConvertReport report_;
};

}  // namespace

ConvertReport convert(const ConvertRequest& request, Progress& progress, std::stop_token stop) {
  check(request);
  open_device("cpu");
  return Conversion(request, progress, std::move(stop)).run();
}

}  // namespace dorabooth
