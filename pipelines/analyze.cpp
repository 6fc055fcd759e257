// One layer at a time: its W0 and the changed weight of every model that has it.
#include "pipelines/analyze.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <set>

#include "pipelines/adapter_argument.h"
#include "pipelines/analysis_chart.h"
#include "pipelines/analysis_text.h"
#include "pipelines/parts/adapter_reading.h"
#include "pipelines/parts/adapter_weights.h"
#include "pipelines/parts/checkpoint_layers.h"
#include "pipelines/parts/run_checkpoints.h"
#include "pipelines/parts/step_meter.h"
#include "src/adapter/adapter_keys.h"
#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/device/device.h"
#include "src/model/assets.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

// A model whose weights are compared with the base's.
class Subject {
 public:
  virtual ~Subject() = default;
  virtual bool has(const std::string& layer) const = 0;
  virtual at::Tensor weight(const std::string& layer, const at::Tensor& w0) const = 0;
};

class AdapterSubject : public Subject {
 public:
  AdapterSubject(const AdapterArgument& argument, StrengthRule rule, AdapterContents contents)
      : contents_(std::move(contents)), strength_(argument.strength), rule_(rule) {}
  bool has(const std::string& layer) const override { return changes_weight(contents_, layer); }
  at::Tensor weight(const std::string& layer, const at::Tensor& w0) const override {
    return changed_weight(contents_, layer, w0, strength_, rule_);
  }

 private:
  AdapterContents contents_;
  double strength_;
  StrengthRule rule_;
};

class ModelSubject : public Subject {
 public:
  ModelSubject(const std::string& path, const std::string& variant)
      : model_(Checkpoint::open(path, variant)), layers_(checkpoint_layers(model_, owned_)) {
    for (const auto& [name, layer] : layers_) names_.insert(name);
  }
  bool has(const std::string& layer) const override { return names_.contains(layer); }
  at::Tensor weight(const std::string& layer, const at::Tensor&) const override {
    return base_weight(model_, layer);
  }

 private:
  Checkpoint model_;
  std::vector<std::unique_ptr<nn::Linear>> owned_;
  LinearLayers layers_;
  std::set<std::string> names_;
};

struct NamedSubject {
  std::string series;
  int64_t step = -1;
  std::unique_ptr<Subject> subject;
};

// "NAME=rest" apart; the name is `otherwise` without one.
std::pair<std::string, std::string> named(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals != std::string::npos && equals > 0 &&
      text.substr(0, equals).find('/') == std::string::npos) {
    return {text.substr(0, equals), text.substr(equals + 1)};
  }
  const fs::path path = text;
  return {(path.has_filename() ? path : path.parent_path()).filename().string(), text};
}

// "PATH@500" apart.
int64_t take_step(std::string& path) {
  const size_t at = path.rfind('@');
  int64_t step = -1;
  if (at == std::string::npos) return step;
  const char* end = path.data() + path.size();
  const auto [stop, error] = std::from_chars(path.data() + at + 1, end, step);
  if (error != std::errc() || stop != end) return -1;
  path.resize(at);
  return step;
}

std::vector<NamedSubject> subjects_of(const AnalyzeRequest& request, const Checkpoint& base,
                                      const LinearLayers& layers, const ParameterShapes& shapes,
                                      const Log& log) {
  const StrengthRule rule = parse_strength_rule(request.strength_rule);
  const auto read = [&](const std::string& path) {
    AdapterContents contents =
        read_adapter_contents(path, layers, shapes, request, weights_of(base));
    warn_of_ignored_keys(contents, log);
    return contents;
  };
  std::vector<NamedSubject> subjects;
  for (const std::string& text : request.adapter_path) {
    const AdapterArgument argument = parse_named_adapter(text);
    subjects.push_back(
        {argument.name, -1, std::make_unique<AdapterSubject>(argument, rule, read(argument.path))});
  }
  for (const std::string& text : request.run) {
    const auto [name, folder] = named(text);
    for (const CheckpointAdapter& one : checkpoint_adapters(folder)) {
      const std::string series = one.adapter.empty() ? name : concat(name, " ", one.adapter);
      const AdapterArgument argument{series, one.path, 1.0};
      subjects.push_back({series, one.step,
                          std::make_unique<AdapterSubject>(argument, rule, read(argument.path))});
    }
  }
  for (const std::string& text : request.checkpoint) {
    std::string rest = text;
    const int64_t step = take_step(rest);
    const auto [name, path] = named(rest);
    subjects.push_back(
        {name, step, std::make_unique<ModelSubject>(path, request.variant.value_or(""))});
  }
  if (subjects.empty()) {
    throw UsageError("nothing to analyze: give --adapter_path, --run or --checkpoint");
  }
  return subjects;
}

bool is_target(const AnalyzeRequest& request, const std::string& layer) {
  return std::ranges::any_of(request.target_modules, [&](const std::string& pattern) {
    return module_matches(pattern, layer);
  });
}

// Matrices, then convolutions.
std::vector<std::string> candidates(const LinearLayers& layers, const ParameterShapes& shapes) {
  constexpr std::string_view kWeight = ".weight";
  std::vector<std::string> names;
  for (const auto& [name, layer] : layers) names.push_back(name);
  for (const auto& [parameter, shape] : shapes) {
    if (shape.size() == 4 && parameter.ends_with(kWeight)) {
      names.push_back(parameter.substr(0, parameter.size() - kWeight.size()));
    }
  }
  return names;
}

void add_trends(ChangeSeries& series) {
  std::vector<WeightChange> output, input;
  std::map<std::string, std::pair<std::vector<WeightChange>, std::vector<WeightChange>>> by_layer;
  for (const LayerChange& record : series.records) {
    output.push_back(record.output);
    input.push_back(record.input);
    by_layer[record.layer].first.push_back(record.output);
    by_layer[record.layer].second.push_back(record.input);
  }
  series.output = change_trend(output);
  series.input = change_trend(input);
  for (const auto& [layer, changes] : by_layer) {
    series.layers.push_back({layer, change_trend(changes.first), change_trend(changes.second)});
  }
}

// Before the work, not after it.
void check_plots(const AnalyzeRequest& request) {
  for (const std::string& path : request.output_plot) {
    const std::string ending = fs::path(path).extension().string();
    if (ending != ".png" && ending != ".svg") {
      throw UsageError(concat("--output_plot ", path, ": want a name that ends with .png or .svg"));
    }
  }
}

void write_plots(const AnalyzeReport& report, const AnalyzeRequest& request, Progress& progress) {
  if (request.output_plot.empty()) return;
  const fs::path font = asset_path("fonts/DejaVuSans.ttf");
  for (const auto& [suffix, chart] : analysis_charts(report, request, log_to(progress))) {
    for (const fs::path path : request.output_plot) {
      const fs::path output =
          path.parent_path() / concat(path.stem().string(), suffix, path.extension().string());
      write_chart(chart, font, output);
      progress.on(SavedEvent{output.string()});
    }
  }
}

}  // namespace

AnalyzeReport analyze(const AnalyzeRequest& request, Progress& progress, std::stop_token stop) {
  if (request.pretrained_model_name_or_path.empty()) {
    throw UsageError("--pretrained_model_name_or_path is missing: the weights before training");
  }
  check_plots(request);
  open_device("cpu");
  const Checkpoint base =
      Checkpoint::open(request.pretrained_model_name_or_path, request.variant.value_or(""));
  std::vector<std::unique_ptr<nn::Linear>> owned;
  const LinearLayers layers = checkpoint_layers(base, owned);
  const ParameterShapes shapes = checkpoint_shapes(base);
  const std::vector<NamedSubject> subjects =
      subjects_of(request, base, layers, shapes, log_to(progress));
  std::vector<std::string> targets;
  for (const std::string& name : candidates(layers, shapes)) {
    const bool changed = std::ranges::any_of(
        subjects, [&](const NamedSubject& one) { return one.subject->has(name); });
    if (changed && is_target(request, name)) targets.push_back(name);
  }
  if (targets.empty()) fail("no layer that --target_modules names is changed by what was given");
  AnalyzeReport report;
  const auto series_named = [&](const std::string& name) -> ChangeSeries& {
    const auto found = std::ranges::find(report.series, name, &ChangeSeries::name);
    if (found != report.series.end()) return *found;
    report.series.push_back({name, {}, {}, {}, {}});
    return report.series.back();
  };
  StepMeter meter(progress, "analyze", static_cast<int64_t>(targets.size()));
  for (const std::string& layer : targets) {
    if (stop.stop_requested()) {
      report.stopped = true;
      return report;
    }
    const at::Tensor w0 = base_weight(base, layer);
    for (const NamedSubject& one : subjects) {
      if (!one.subject->has(layer)) continue;
      const at::Tensor weight = one.subject->weight(layer, w0);
      series_named(one.series)
          .records.push_back({layer, one.step, weight_change(w0, weight, VectorAxis::kOutput),
                              weight_change(w0, weight, VectorAxis::kInput)});
    }
    meter.step();
  }
  for (ChangeSeries& series : report.series) add_trends(series);
  if (request.output_csv) {
    write_file_atomically(*request.output_csv, analysis_csv(report, request.norm_axis));
    progress.on(SavedEvent{*request.output_csv});
  }
  write_plots(report, request, progress);
  return report;
}

}  // namespace dorabooth
