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
};

double relative_error(const at::Tensor& weight, const at::Tensor& want, const at::Tensor& base) {
  const double error = (weight - want).norm().item<double>();
  const double change = (want - base).norm().item<double>();
  if (change > 0) return error / change;
  return error > 0 ? 1.0 : 0.0;
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
  Judge(const StoredAdapter& written, Consumer consumer, size_t layers) : written_(written) {
    verdict_.consumer = consumer;
    verdict_.modules = static_cast<int64_t>(layers);
  }

  void add(const std::string& module, const References& references) {
    verdict_.by_layer.push_back(-1.0);
    const auto found = written_.modules.find(module);
    std::string reason = found == written_.modules.end()
                             ? "the file has not all modules"
                             : unread_reason(verdict_.consumer, written_, found->second);
    if (reason.empty()) reason = compare(module, found->second, references);
    if (verdict_.reason.empty()) verdict_.reason = reason;
  }

  ConsumerVerdict finish() { return std::move(verdict_); }

 private:
  std::string compare(const std::string& module, const StoredModule& stored,
                      const References& references) {
    const auto weight = [&](double strength) {
      return consumer_weight(verdict_.consumer, written_, module, stored, references.base,
                             strength);
    };
    try {
      const double error = relative_error(weight(1.0), references.whole, references.base);
      const at::Tensor half = weight(kHalf);
      ++verdict_.applied;
      verdict_.by_layer.back() = error;
      if (error > verdict_.error || verdict_.worst.empty()) verdict_.worst = module;
      raise(verdict_.error, error);
      raise(verdict_.error_peft, relative_error(half, references.half_peft, references.base));
      raise(verdict_.error_lerp, relative_error(half, references.half_lerp, references.base));
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

}  // namespace

bool ConsumerVerdict::is_right() const { return applied == modules && error <= kRightWithin; }

std::string ConsumerVerdict::sentence() const {
  if (applied == 0) return "reads none of it: " + reason;
  std::string text;
  if (applied < modules)
    text = concat("reads ", applied, " of ", modules, " modules (", reason, "); ");
  if (!(error <= kRightWithin)) {
    return concat(text, "off by ", percent(error), " of the change (", worst, ")");
  }
  text += "right at strength 1";
  if (error_peft <= kRightWithin && error_lerp <= kRightWithin) return text + " and every other";
  if (error_peft <= kRightWithin) return text + ", other strengths by PEFT's rule";
  if (error_lerp <= kRightWithin) return text + ", other strengths by the interpolating rule";
  return text + ", other strengths by a rule of its own";
}

const ConsumerVerdict& ConsumerTable::of(Consumer consumer) const {
  return *std::ranges::find(verdicts, consumer, &ConsumerVerdict::consumer);
}

ConsumerTable judge_consumers(const StoredAdapter& written, const AdapterFile& adapter,
                              const Checkpoint& base, Progress& progress, std::stop_token stop) {
  const at::NoGradGuard no_grad;
  ConsumerTable table;
  std::vector<Judge> judges;
  for (const Consumer consumer : all_consumers()) {
    judges.emplace_back(written, consumer, adapter.modules.size());
  }
  StepMeter meter(progress, "check the consumers", static_cast<int64_t>(adapter.modules.size()));
  for (const auto& [module, tensors] : adapter.modules) {
    if (stop.stop_requested()) return {};
    References references;
    references.base = base_weight(base, module);
    AdaptedWeight adapted(adapter, module, references.base);
    references.whole = adapted.merged();
    references.half_peft = adapted.merged(kHalf, StrengthRule::kPeft);
    references.half_lerp = adapted.merged(kHalf, StrengthRule::kLerp);
    table.layers.push_back(module);
    for (Judge& judge : judges) judge.add(module, references);
    meter.step();
  }
  for (Judge& judge : judges) table.verdicts.push_back(judge.finish());
  return table;
}

std::vector<ReaderVerdict> reader_verdicts(const ConsumerTable& table) {
  std::vector<ReaderVerdict> list;
  for (const ConsumerVerdict& one : table.verdicts) {
    list.push_back({consumer_title(one.consumer), one.sentence(), one.is_right(), one.modules,
                    one.applied, one.error, one.error_peft, one.error_lerp, one.worst});
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
                    {"reason", verdict.reason},
                    {"error", verdict.error},
                    {"error_at_half_peft", verdict.error_peft},
                    {"error_at_half_lerp", verdict.error_lerp},
                    {"layers", layers}});
  }
  return list;
}

}  // namespace dorabooth
