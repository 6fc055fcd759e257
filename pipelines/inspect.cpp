// Files are told apart by their keys, folders by their index files; what is no SDXL base is named.
#include "pipelines/inspect.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "pipelines/parts/adapter_weights.h"
#include "pipelines/parts/checkpoint_layers.h"
#include "pipelines/parts/consumer_table.h"
#include "pipelines/parts/inspect_tensors.h"
#include "src/adapter/adapter_contents.h"
#include "src/base/error.h"
#include "src/model/checkpoint.h"

namespace dorabooth {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

class Report {
 public:
  Report(Progress& for_progress, std::stop_token when_to_stop)
      : progress(for_progress), stop(std::move(when_to_stop)) {}

  Progress& progress;
  std::stop_token stop;

  void fact(const std::string& name, const std::string& value) {
    if (!value.empty()) report_.facts.emplace_back(name, value);
  }
  void readers(const ConsumerTable& table) {
    for (const ConsumerVerdict& verdict : table.verdicts) {
      fact(concat("read by ", consumer_title(verdict.consumer)), verdict.sentence());
    }
    report_.readers = reader_verdicts(table);
    readers_ = consumer_table_json(table);
  }
  void problem(const std::string& text) { report_.problems.push_back(text); }
  void kind(const std::string& kind, const std::string& summary) {
    report_.kind = kind;
    report_.summary = summary;
  }
  InspectReport finish() {
    json facts = json::object();
    for (const auto& [name, value] : report_.facts) facts[name] = value;
    report_.json = json{
        {"kind", report_.kind},
        {"summary", report_.summary},
        {"facts", facts},
        {"problems", report_.problems},
        {"consumers",
         readers_}}.dump(2);
    return std::move(report_);
  }

 private:
  InspectReport report_;
  json readers_ = json::array();  // what other programs make of an adapter
};

class Silent : public Progress {
 public:
  void on(const Event&) override {}
};

template <typename Values>
std::string joined(const Values& values) {
  std::string text;
  for (const auto& value : values) text += (text.empty() ? "" : ", ") + concat(value);
  return text;
}

constexpr size_t kLongestValue = 200;  // of a metadata entry; the file has the rest

void metadata_facts(const SafetensorsFile& file, Report& report) {
  for (const auto& [name, value] : file.metadata()) {
    std::string text = value;
    if (text.size() > kLongestValue) {
      text.resize(kLongestValue);
      text += "…";
    }
    report.fact("metadata " + name, text);
  }
}

// An adapter read against the base that the request names.
struct BaseFit {
  explicit BaseFit(const InspectRequest& request)
      : base(Checkpoint::open(*request.pretrained_model_name_or_path)),
        layers(checkpoint_layers(base, shapes)),
        parameters(checkpoint_shapes(base)),
        adapter(
            read_adapter_contents(request.path, layers, parameters, request, weights_of(base))) {}

  Checkpoint base;
  std::vector<std::unique_ptr<nn::Linear>> shapes;
  LinearLayers layers;
  ParameterShapes parameters;
  AdapterContents adapter;
};

void tell_fit(const InspectRequest& request, const BaseFit& fit, Report& report) {
  report.fact("fits the base", concat(*request.pretrained_model_name_or_path, ": ",
                                      fit.adapter.modules().size(), " modules"));
  report.fact("kinds", fit.adapter.kinds());
  report.fact("ignored keys", joined(fit.adapter.ignored_keys));
  if (fit.adapter.file.spec.is_vera()) return;
  report.readers(judge_consumers(read_stored_adapter(request.path, fit.parameters, request),
                                 fit.adapter, fit.base, report.progress, report.stop));
}

void inspect_adapter(const SafetensorsFile& file, const InspectRequest& request, Report& report) {
  std::optional<BaseFit> fit;
  std::string misfit;
  if (request.pretrained_model_name_or_path) {
    try {
      fit.emplace(request);
    } catch (const Error& error) {
      misfit = error.what();
    }
  }
  std::set<std::string> ignored;
  if (fit) ignored.insert(fit->adapter.ignored_keys.begin(), fit->adapter.ignored_keys.end());
  const AdapterSummary summary = summarize_adapter(file, ignored);
  std::string components;
  for (const auto& [component, count] : summary.modules_by_component) {
    components += concat(components.empty() ? "" : ", ", component, " ", count);
  }
  report.kind("adapter", concat(summary.kind, " in ", summary.format, " names",
                                summary.ranks.empty() ? "" : ", rank " + joined(summary.ranks)));
  report.fact("modules", components);
  report.fact("targets", joined(summary.targets));
  report.fact("ranks", joined(summary.ranks));
  report.fact("alphas", joined(summary.alphas));
  report.fact("magnitude axis", summary.magnitude_axis == "open"
                                    ? request.dora_axis.value_or("open")
                                    : summary.magnitude_axis);
  report.fact("bundled embeddings", joined(summary.placeholders));
  if (request.ignore_unknown) {
    report.fact("unknown keys", joined(summary.unknown_keys));
  } else {
    for (const std::string& key : summary.unknown_keys) report.problem("unknown key " + key);
  }
  report.fact("tensors", tensors_text(file.entries()));
  for (const std::string& problem : summary.problems) report.problem(problem);
  if (!misfit.empty()) report.problem(misfit);
  if (fit) tell_fit(request, *fit, report);
}

void inspect_base(const Checkpoint& checkpoint, Report& report) {
  report.kind("base", concat("SDXL base, ",
                             checkpoint.single_file() ? "a single file" : "a diffusers folder"));
  for (const Component component : kComponents) {
    if (!checkpoint.has(component)) {
      report.fact(component_name(component), "not in it");
      continue;
    }
    std::vector<TensorEntry> entries;
    for (const StoredTensor& stored : checkpoint.stored(component)) {
      entries.push_back(*stored.entry);
      entries.back().shape = stored.shape;
    }
    report.fact(component_name(component), tensors_text(entries));
  }
  const SchedulerConfig scheduler = checkpoint.scheduler_config();
  report.fact("prediction type", scheduler.prediction_type);
  report.fact("sampler", scheduler.class_name);
  if (scheduler.rescale_betas_zero_snr) report.fact("terminal SNR", "zero");
  for (const std::string& note : checkpoint.notes()) report.fact("note", note);
}

// One component's weights alone, by a key that only it has.
std::optional<std::string> component_of_file(const SafetensorsFile& file) {
  if (file.find("add_embedding.linear_1.weight")) return "UNet of SDXL's form (diffusers keys)";
  if (file.find("encoder.mid_block.resnets.0.conv1.weight")) return "VAE (diffusers keys)";
  if (file.find("text_projection.weight")) return "text encoder with projection";
  if (file.find("text_model.final_layer_norm.weight")) return "text encoder";
  return std::nullopt;
}

bool is_text_embedding(const SafetensorsFile& file) {
  return file.find("clip_l") || file.find("clip_g") || file.find("emb_params");
}

void inspect_file(const fs::path& path, const InspectRequest& request, Report& report) {
  const SafetensorsFile file(path);
  if (looks_like_adapter(file.entries())) {
    inspect_adapter(file, request, report);
  } else if (is_text_embedding(file)) {
    report.kind("text embedding", "learned prompt tokens");
    for (const TensorEntry& entry : file.entries())
      report.fact(entry.name, shape_text(entry.shape));
  } else if (const auto component = component_of_file(file)) {
    report.kind("component", *component);
    report.fact("tensors", tensors_text(file.entries()));
  } else {
    try {
      inspect_base(Checkpoint::open(path), report);
    } catch (const Error& error) {
      report.kind("other", "no SDXL base, adapter or component that this program knows");
      report.problem(error.what());
      report.fact("tensors", tensors_text(file.entries()));
    }
  }
  metadata_facts(file, report);
}

}  // namespace

InspectReport inspect(const InspectRequest& request) {
  Silent silent;
  return inspect(request, silent, {});
}

InspectReport inspect(const InspectRequest& request, Progress& progress, std::stop_token stop) {
  const fs::path path = request.path;
  if (!fs::exists(path)) fail(path.string(), ": no such file or folder");
  Report report(progress, std::move(stop));
  if (!fs::is_directory(path)) {
    inspect_file(path, request, report);
    return report.finish();
  }
  for (const char* inside : {"pytorch_lora_weights.safetensors", "adapter_model.safetensors",
                             "diffusion_pytorch_model.safetensors", "model.safetensors"}) {
    if (!fs::exists(path / "model_index.json") && fs::exists(path / inside)) {
      inspect_file(path / inside, request, report);
      return report.finish();
    }
  }
  inspect_base(Checkpoint::open(path), report);
  return report.finish();
}

}  // namespace dorabooth
