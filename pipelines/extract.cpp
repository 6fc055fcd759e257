// Layer by layer; the residual is measured on the weights that the adapter itself gives.
#include "pipelines/extract.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "pipelines/parts/adapter_weights.h"
#include "pipelines/parts/checkpoint_layers.h"
#include "pipelines/parts/step_meter.h"
#include "src/adapter/adapter_file.h"
#include "src/adapter/adapter_header.h"
#include "src/adapter/adapter_keys.h"
#include "src/adapter/nearest_factors.h"
#include "src/adapter/tensor_facts.h"
#include "src/adapter/vera.h"
#include "src/base/error.h"
#include "src/device/device.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

void require(bool given, const char* field, const char* what) {
  if (!given) throw UsageError(concat("--", field, " is missing: ", what));
}

// The layers of a base and what is made for them.
class Fit {
 public:
  Fit(const std::string& path, const std::optional<std::string>& variant)
      : base_(Checkpoint::open(path, variant.value_or(""))),
        layers_(checkpoint_layers(base_, shapes_)) {}

  const Checkpoint& base() const { return base_; }
  const LinearLayers& layers() const { return layers_; }
  // Of what is made; kind and axis are set before the first layer comes.
  AdapterSpec& spec() { return made_.spec; }
  bool is_empty() const { return made_.modules.empty(); }

  // Keeps the module and measures it against the weight that it is made from.
  void add(const std::string& module, AdapterTensors tensors, const at::Tensor& w0,
           const at::Tensor& want) {
    made_.modules[module] = std::move(tensors);
    const at::Tensor got = AdaptedWeight(made_, module, w0).merged();
    const double error = (got - want).norm().item<double>();
    const double change = (want - w0).norm().item<double>();
    error_ += error * error;
    change_ += change * change;
    report.layers.push_back(
        {module, made_.modules.at(module).a.size(0), change > 0 ? error / change : 0.0});
  }

  FitReport finish(const fs::path& path, const std::map<std::string, std::string>& metadata,
                   Progress& progress) {
    if (is_empty()) fail("there is no layer to write");
    made_.spec = spec_with_scales(made_.spec, made_.modules);
    made_.spec.target_modules = targets_of(made_.modules, layers_);
    if (path.has_parent_path()) fs::create_directories(path.parent_path());
    write_adapter_file(path, made_.spec, made_.modules, metadata);
    report.path = path.string();
    report.kind = made_.spec.kind;
    report.residual = change_ > 0 ? std::sqrt(error_ / change_) : 0.0;
    progress.on(SavedEvent{report.path});
    return std::move(report);
  }

  FitReport report;

 private:
  Checkpoint base_;
  std::vector<std::unique_ptr<nn::Linear>> shapes_;
  LinearLayers layers_;
  AdapterFile made_;
  double error_ = 0.0;   // squared, over all layers
  double change_ = 0.0;  // the same
};

AdapterTensors fitted(const ExtractRequest& request, const at::Tensor& w0, const at::Tensor& w) {
  AdapterTensors own;
  at::Tensor difference = w - w0;
  if (request.adapter == "dora") {
    const int64_t along = request.dora_norm_axis == "output" ? 1 : 0;
    const at::Tensor norm = w.norm(2, {along}, /*keepdim=*/true);
    const at::Tensor usable = norm > 0;
    const at::Tensor direction = w / at::where(usable, norm, at::ones_like(norm));
    difference = direction * w0.norm(2, {along}, true) - w0;
    own.m = norm.flatten();
  }
  const NearestFactors nearest = nearest_factors(difference, request.rank);
  own.a = nearest.a;
  own.b = nearest.b;
  own.alpha = static_cast<double>(own.a.size(0));
  return own;
}

bool is_target(const std::vector<std::string>& patterns, const std::string& module) {
  return std::ranges::any_of(
      patterns, [&](const std::string& pattern) { return module_matches(pattern, module); });
}

}  // namespace

FitReport extract(const ExtractRequest& request, Progress& progress, std::stop_token stop) {
  require(!request.pretrained_model_name_or_path.empty(), "pretrained_model_name_or_path",
          "the weights before training");
  require(!request.checkpoint.empty(), "checkpoint", "the trained model");
  require(!request.output.empty(), "output", "the file to write");
  open_device("cpu");
  const at::NoGradGuard no_grad;
  Fit fit(request.pretrained_model_name_or_path, request.variant);
  const Checkpoint trained = Checkpoint::open(request.checkpoint, request.variant.value_or(""));
  fit.spec().kind = request.adapter;
  fit.spec().norm_axis = request.dora_norm_axis;
  const std::vector<std::string> patterns =
      request.target_modules.empty() ? default_target_modules(false) : request.target_modules;
  StepMeter meter(progress, "extract", static_cast<int64_t>(fit.layers().size()));
  for (const auto& [module, layer] : fit.layers()) {
    if (stop.stop_requested()) {
      fit.report.stopped = true;
      return std::move(fit.report);
    }
    meter.step();
    if (!is_target(patterns, module)) continue;
    const at::Tensor w0 = base_weight(fit.base(), module);
    const at::Tensor w = base_weight(trained, module);
    if (w.sizes() != w0.sizes()) {
      fail(request.checkpoint, ": ", module, " is ", shape_text(w.sizes().vec()), ", in the base ",
           shape_text(w0.sizes().vec()));
    }
    const double change = (w - w0).norm().item<double>();
    if (!(change > request.least_change * w0.norm().item<double>())) {
      ++fit.report.unchanged;
      continue;
    }
    fit.add(module, fitted(request, w0, w), w0, w);
  }
  if (fit.is_empty()) {
    fail(request.checkpoint, " differs from the base in no layer that --target_modules names");
  }
  return fit.finish(request.output, {}, progress);
}

FitReport resize(const ResizeRequest& request, Progress& progress, std::stop_token stop) {
  require(!request.pretrained_model_name_or_path.empty(), "pretrained_model_name_or_path",
          "the base that the adapter is for");
  require(!request.adapter_path.empty(), "adapter_path", "the adapter");
  require(!request.output.empty(), "output", "the file to write");
  open_device("cpu");
  const at::NoGradGuard no_grad;
  Fit fit(request.pretrained_model_name_or_path, request.variant);
  AdapterFile given = read_adapter_file(request.adapter_path, fit.layers(), weights_of(fit.base()));
  if (fs::exists(request.output) && fs::equivalent(request.output, given.path)) {
    fail(request.output, " is the adapter itself: give another output");
  }
  if (given.spec.is_vera()) {
    given.spec.kind = given.spec.has_magnitude() ? "dora" : "lora";
    given.modules = vera_as_lora(given.modules);
  }
  fit.spec() = given.spec;
  fit.spec().use_rslora = false;
  StepMeter meter(progress, "resize", static_cast<int64_t>(given.modules.size()));
  for (const auto& [module, own] : given.modules) {
    if (stop.stop_requested()) {
      fit.report.stopped = true;
      return std::move(fit.report);
    }
    const at::Tensor w0 = base_weight(fit.base(), module);
    AdapterTensors changed = own;
    if (own.a.size(0) > 0) {
      const double scale = update_scale(own, given.spec.use_rslora);
      const NearestFactors nearest =
          nearest_factors(scale * at::matmul(own.b, own.a), request.rank);
      changed.a = nearest.a;
      changed.b = nearest.b;
      changed.alpha = static_cast<double>(nearest.a.size(0));
    }
    fit.add(module, std::move(changed), w0, AdaptedWeight(given, module, w0).merged());
    meter.step();
  }
  return fit.finish(request.output, metadata_of_origin(given.metadata), progress);
}

}  // namespace dorabooth
