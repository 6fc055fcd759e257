#include "pipelines/parts/consumer_table.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <iomanip>
#include <nlohmann/json.hpp>
#include <sstream>

#include "pipelines/parts/adapter_weights.h"
#include "pipelines/parts/step_meter.h"
#include "src/base/error.h"

namespace dorabooth {

namespace {

constexpr double kHalf = 0.5;

struct References {
  at::Tensor base, whole, half_peft, half_lerp;
  DType stored = DType::kF32;  // of the base
};

double error_share(const at::Tensor& weight, const at::Tensor& want, const References& references) {
  const at::Tensor& base = references.base;
  return share_of_change((weight - want).norm().item<double>(), (want - base).norm().item<double>(),
                         base.norm().item<double>(), references.stored);
}

std::string percent(double share) {
  const double value = 100.0 * share;
  const int digits = value >= 10 ? 0 : value >= 1 ? 1 : 2;
  std::ostringstream text;
  text << std::fixed << std::setprecision(digits) << value << " %";
  return text.str();
}

class Judge {
 public:
  Judge(const StoredAdapter& written, Consumer consumer) : written_(written) {
    verdict_.consumer = consumer;
  }

  void add(const std::string& layer, const References& references) {
    ++verdict_.modules;
    verdict_.by_layer.push_back(-1.0);
    const auto found = written_.modules.find(layer);
    std::string reason = found == written_.modules.end()
                             ? "the file has not all modules"
                             : unread_reason(verdict_.consumer, written_, found->second);
    if (reason.empty()) {
      const std::string unknown =
          unknown_kind(verdict_.consumer, written_, found->second, references.base.dim());
      if (!unknown.empty()) {
        ++verdict_.not_shown;
        if (verdict_.unknown.empty()) verdict_.unknown = unknown;
        return;
      }
      reason = compare(layer, found->second, references);
    }
    if (verdict_.reason.empty()) verdict_.reason = reason;
  }

  ConsumerVerdict finish() { return std::move(verdict_); }

 private:
  std::string compare(const std::string& layer, const StoredModule& stored,
                      const References& references) {
    const auto weight = [&](double strength) {
      return consumer_weight(verdict_.consumer, written_, layer, stored, references.base, strength);
    };
    try {
      const double error = error_share(weight(1.0), references.whole, references);
      const at::Tensor half = weight(kHalf);
      ++verdict_.applied;
      verdict_.by_layer.back() = error;
      if (error > verdict_.error || verdict_.worst.empty()) verdict_.worst = layer;
      raise(verdict_.error, error);
      raise(verdict_.error_peft, error_share(half, references.half_peft, references));
      raise(verdict_.error_lerp, error_share(half, references.half_lerp, references));
      return "";
    } catch (const std::exception& error) {
      const std::string text = error.what();
      return "it fails: " + text.substr(0, text.find('\n'));
    }
  }

  // A NaN stays.
  static void raise(double& largest, double value) {
    if (!(value <= largest)) largest = value;
  }

  const StoredAdapter& written_;
  ConsumerVerdict verdict_;
};

// One parameter that an adapter changes.
struct ChangedLayer {
  std::string name;                    // of the module, of a bias "<module>.bias"
  std::string parameter;               // of the base
  const WeightPatch* patch = nullptr;  // none: a pair of a linear layer
};

std::vector<ChangedLayer> layers_of(const AdapterContents& adapter) {
  std::vector<ChangedLayer> layers;
  for (const auto& [module, own] : adapter.file.modules) {
    layers.push_back({module, module + ".weight"});
  }
  for (const WeightPatch& patch : adapter.patches) {
    const bool weight = patch.parameter == patch.module + ".weight";
    layers.push_back({weight ? patch.module : patch.parameter, patch.parameter, &patch});
  }
  std::ranges::sort(layers, {}, &ChangedLayer::name);
  return layers;
}

References references_of(const ChangedLayer& layer, const AdapterContents& adapter,
                         const Checkpoint& base) {
  const StoredParameter stored = stored_parameter(base, layer.parameter);
  References references{stored.numbers, {}, {}, {}, stored.dtype};
  if (layer.patch) {
    const auto at = [&](double strength, StrengthRule rule) {
      return patched(*layer.patch, references.base, strength, rule);
    };
    references.whole = at(1.0, StrengthRule::kPeft);
    references.half_peft = at(kHalf, StrengthRule::kPeft);
    references.half_lerp = at(kHalf, StrengthRule::kLerp);
    return references;
  }
  AdaptedWeight adapted(adapter.file, layer.name, references.base);
  references.whole = adapted.merged();
  references.half_peft = adapted.merged(kHalf, StrengthRule::kPeft);
  references.half_lerp = adapted.merged(kHalf, StrengthRule::kLerp);
  return references;
}

// Half the distance between one and the next number, as a share of the number at most.
double rounding_of(DType dtype) {
  switch (dtype) {
    case DType::kBF16:
      return 0x1p-8;
    case DType::kF16:
      return 0x1p-11;
    case DType::kF64:
      return 0x1p-53;
    default:
      return 0x1p-24;
  }
}

}  // namespace

double share_of_change(double error, double change, double base_norm, DType stored) {
  constexpr double kReckoning = 4 * 0x1p-24;
  const double least = std::max(rounding_of(stored), kReckoning / kRightWithin) * base_norm;
  const double measure = std::max(change, least);
  if (measure > 0) return error / measure;
  return error > 0 ? 1.0 : 0.0;
}

bool ConsumerVerdict::is_right() const { return applied == modules && error <= kRightWithin; }

bool ConsumerVerdict::is_wrong() const {
  return applied + not_shown < modules || !(error <= kRightWithin);
}

std::string ConsumerVerdict::sentence() const {
  const std::string hidden = "what it makes of " + unknown;
  if (applied == 0 && not_shown == modules) return "not shown: " + hidden;
  if (applied + not_shown == 0) return "reads none of it: " + reason;
  std::string text;
  if (applied + not_shown < modules) {
    text = concat("reads ", applied + not_shown, " of ", modules, " modules (", reason, "); ");
  }
  if (not_shown > 0) text += concat(not_shown, " not shown (", hidden, "); ");
  if (applied == 0) return text.substr(0, text.size() - 2);
  if (!(error <= kRightWithin)) {
    return concat(text, "off by ", percent(error), " of the change (", worst, ")");
  }
  text += not_shown > 0 ? "the others right at strength 1" : "right at strength 1";
  if (error_peft <= kRightWithin && error_lerp <= kRightWithin) return text + " and every other";
  if (error_peft <= kRightWithin) return text + ", other strengths by PEFT's rule";
  if (error_lerp <= kRightWithin) return text + ", other strengths by the interpolating rule";
  return text + ", other strengths by a rule of its own";
}

const ConsumerVerdict& ConsumerTable::of(Consumer consumer) const {
  return *std::ranges::find(verdicts, consumer, &ConsumerVerdict::consumer);
}

ConsumerTable judge_consumers(const StoredAdapter& written, const AdapterContents& adapter,
                              const Checkpoint& base, Progress& progress, std::stop_token stop) {
  const at::NoGradGuard no_grad;
  ConsumerTable table;
  std::vector<Judge> judges;
  for (const Consumer consumer : all_consumers()) judges.emplace_back(written, consumer);
  const std::vector<ChangedLayer> layers = layers_of(adapter);
  StepMeter meter(progress, "check the consumers", static_cast<int64_t>(layers.size()));
  for (const ChangedLayer& layer : layers) {
    if (stop.stop_requested()) return {};
    const References references = references_of(layer, adapter, base);
    table.layers.push_back(layer.name);
    for (Judge& judge : judges) judge.add(layer.name, references);
    meter.step();
  }
  for (Judge& judge : judges) table.verdicts.push_back(judge.finish());
  return table;
}

std::vector<ReaderVerdict> reader_verdicts(const ConsumerTable& table) {
  std::vector<ReaderVerdict> list;
  for (const ConsumerVerdict& one : table.verdicts) {
    list.push_back({consumer_title(one.consumer), one.sentence(), one.is_right(), one.modules,
                    one.applied, one.error, one.error_peft, one.error_lerp, one.worst,
                    one.not_shown, one.is_wrong()});
  }
  return list;
}

nlohmann::json consumer_table_json(const ConsumerTable& table) {
  nlohmann::json list = nlohmann::json::array();
  for (const ConsumerVerdict& verdict : table.verdicts) {
    nlohmann::json layers = nlohmann::json::object();
    for (size_t i = 0; i < table.layers.size(); ++i) {
      if (verdict.by_layer[i] >= 0) layers[table.layers[i]] = verdict.by_layer[i];
    }
    list.push_back({{"consumer", consumer_title(verdict.consumer)},
                    {"verdict", verdict.sentence()},
                    {"right", verdict.is_right()},
                    {"modules", verdict.modules},
                    {"applied", verdict.applied},
                    {"not_shown", verdict.not_shown},
                    {"reason", verdict.reason},
                    {"error", verdict.error},
                    {"error_at_half_peft", verdict.error_peft},
                    {"error_at_half_lerp", verdict.error_lerp},
                    {"layers", layers}});
  }
  return list;
}

}  // namespace dorabooth
